// Runs a check as somebody who is not root.
#pragma once

#include <grp.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cloche {

// In a child process where we are root, as user "nobody"; its failures are printed and fail the caller's test.
template <typename Check>
void as_ordinary_user(Check check) {
  constexpr uid_t kNobody = 65534;
  if (::geteuid() != 0) return check();
  pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    bool dropped = ::setgroups(0, nullptr) == 0 && ::setgid(kNobody) == 0 && ::setuid(kNobody) == 0;
    if (dropped) check();
    ::_exit(dropped && !::testing::Test::HasFailure() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace cloche
