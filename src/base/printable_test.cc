#include "base/printable.h"

#include <gtest/gtest.h>

namespace cloche {
namespace {

TEST(Printable, KeepsText) {
  EXPECT_EQ(printable("plain text, köln, 日本, 😀"), "plain text, köln, 日本, 😀");
  EXPECT_EQ(printable("a\nb\tc", Lines::kKeep), "a\nb\tc");
}

TEST(Printable, EscapesWhatSteersATerminal) {
  EXPECT_EQ(printable("\x1b[31mred"), "\\x1b[31mred");
  EXPECT_EQ(printable("a\nb\r"), "a\\x0ab\\x0d");
  EXPECT_EQ(printable("\r", Lines::kKeep), "\\x0d");
  EXPECT_EQ(printable("\x7f"), "\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");           // U+009B: CSI in one character.
  EXPECT_EQ(printable("\xe2\x80\xae"), "\\xe2\\x80\\xae");  // U+202E: right-to-left override.
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
}

TEST(Printable, EscapesWhatIsNotText) {
  EXPECT_EQ(printable("\xff"), "\\xff");
  EXPECT_EQ(printable("\x80"), "\\x80");
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");                    // Overlong.
  EXPECT_EQ(printable("\xe2\x82"), "\\xe2\\x82");                    // Cut short.
  EXPECT_EQ(printable("\xf7\xbf\xbf\xbf"), "\\xf7\\xbf\\xbf\\xbf");  // Above U+10FFFF.
}

}  // namespace
}  // namespace cloche
