#include "cli/detach_keys.h"

#include <gtest/gtest.h>

namespace cloche::cli {
namespace {

TEST(DetachKeys, AreReadAsTerminalsSendThem) {
  EXPECT_EQ(parse_detach_keys("ctrl-p,ctrl-q").value(), kUsualDetachKeys);
  EXPECT_EQ(parse_detach_keys("ctrl-P,x").value(), "\x10x");
  EXPECT_EQ(parse_detach_keys("ctrl-@,ctrl-[,ctrl-_").value(), std::string("\0\x1b\x1f", 3));
  EXPECT_EQ(parse_detach_keys(",,a").value(), ",a");
  EXPECT_EQ(parse_detach_keys("").value(), "");
}

TEST(DetachKeys, WhatIsNoneIsRefused) {
  for (const char* text : {"ctrl-", "ctrl-1", "ctrl-pq", "shift-p", "a,", "ab", "a,bc"})
    EXPECT_FALSE(parse_detach_keys(text)) << text;
}

}  // namespace
}  // namespace cloche::cli
