#include "sandbox/utc_time.h"

#include <gtest/gtest.h>

namespace cloche::sandbox {
namespace {

TEST(UtcTime, GoesThereAndBack) {
  EXPECT_EQ(utc_text(1'795'800'000'012'345'678), "2026-11-27T17:20:00.012345678Z");
  for (uint64_t ns : {uint64_t{1}, uint64_t{1'000'000'000}, uint64_t{1'795'898'839'596'955'135}})
    EXPECT_EQ(parse_utc(utc_text(ns)), ns);
}

TEST(UtcTime, WhatIsNoneIsNought) {
  for (const char* text : {"", "yesterday", "2026-11-25", "2026-11-25T09:08:07Z", "2026-11-25T09:08:07.12Z",
                           "2026-11-25T09:08:07.1234567890Z", "2026-11-25T09:08:07.x23456789Z"})
    EXPECT_EQ(parse_utc(text), 0u) << text;
}

}  // namespace
}  // namespace cloche::sandbox
