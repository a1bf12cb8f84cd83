#include "krun/limit_word.h"

#include <gtest/gtest.h>

#include <string>

namespace cloche::krun {
namespace {

TEST(LimitWordTest, BothFormsSayTheSame) {
  LimitWord expected{7, 100, UINT64_MAX};
  EXPECT_EQ(parse_limit("7=100:18446744073709551615"), expected);
  EXPECT_EQ(parse_limit("7:100:18446744073709551615"), expected);
}

TEST(LimitWordTest, AnythingElseIsNone) {
  for (const char* text : {"", "7", "7=1", "x=1:2", "16=1:2", "4294967303=1:2", "7=1:", "7=-1:2", "7= 1:2", "7=1:2:3",
                           "7=1:18446744073709551616", "=1:2", "7==1:2"})
    EXPECT_FALSE(parse_limit(text)) << text;
}

TEST(LimitWordTest, OneThatIsNoneMakesAListNone) {
  auto limits = parse_limits("7=100:200,4:0:0");
  ASSERT_TRUE(limits);
  EXPECT_EQ(*limits, (std::vector<LimitWord>{{7, 100, 200}, {4, 0, 0}}));
  EXPECT_TRUE(parse_limits("")->empty());
  EXPECT_FALSE(parse_limits("7=100:200,,4=0:0"));
  EXPECT_FALSE(parse_limits("7=100:200,4=0"));
  EXPECT_FALSE(parse_limits(std::string(1 << 20, ',')));
}

}  // namespace
}  // namespace cloche::krun
