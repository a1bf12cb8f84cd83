/* What the programs of this folder check with: they are C11 and C++ alike. */
#pragma once

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(call, expected)                                                           \
  do {                                                                                  \
    long got_ = (call), wanted_ = (expected);                                           \
    if (got_ != wanted_) {                                                              \
      fprintf(stderr, "line %d: %s is %ld, not %ld\n", __LINE__, #call, got_, wanted_); \
      exit(1);                                                                          \
    }                                                                                   \
  } while (0)
