#include "sandbox/detach_keys.h"

#include <gtest/gtest.h>

namespace cloche::sandbox {
namespace {

std::string pass(DetachKeys& keys, std::string_view text) { return keys.pass(std::as_bytes(std::span(text))); }

TEST(DetachKeys, AreFoundInOnePieceAndInMany) {
  DetachKeys whole("\x10\x11");
  EXPECT_EQ(pass(whole,
                 "ab\x10\x11"
                 "cd"),
            "ab");
  EXPECT_TRUE(whole.were_typed());
  EXPECT_EQ(pass(whole, "more"), "");
  DetachKeys pieces("\x10\x11");
  EXPECT_EQ(pass(pieces, "a\x10"), "a");
  EXPECT_FALSE(pieces.were_typed());
  EXPECT_EQ(pass(pieces, "\x11"), "");
  EXPECT_TRUE(pieces.were_typed());
}

TEST(DetachKeys, WhatOnlyBeginsLikeThemIsPassedOn) {
  DetachKeys keys("aab");
  EXPECT_EQ(pass(keys, "a"), "");
  EXPECT_EQ(pass(keys, "c"), "ac");
  EXPECT_EQ(pass(keys, "aa"), "");
  EXPECT_EQ(pass(keys, "a"), "a");  // The last two may still be theirs.
  EXPECT_EQ(pass(keys, "b"), "");
  EXPECT_TRUE(keys.were_typed());
}

TEST(DetachKeys, WithoutKeysAllIsPassedOn) {
  DetachKeys none("");
  EXPECT_EQ(pass(none, std::string_view("\0\x10\x11", 3)), std::string("\0\x10\x11", 3));
  EXPECT_FALSE(none.were_typed());
}

}  // namespace
}  // namespace cloche::sandbox
