#include "wire/codec.h"

#include <gtest/gtest.h>

namespace cloche::wire {
namespace {

TEST(Codec, IntegersAreLittleEndian) {
  Writer to;
  to.put(uint32_t{0x04030201});
  to.put(uint16_t{0xffee});
  to.put(int8_t{-1});
  std::vector<std::byte> expected;
  for (int each : {1, 2, 3, 4, 0xee, 0xff, 0xff}) expected.push_back(static_cast<std::byte>(each));
  EXPECT_EQ(to.bytes(), expected);
  Reader from(to.bytes());
  uint32_t number = 0;
  uint16_t half = 0;
  int8_t small = 0;
  from.get(number);
  from.get(half);
  EXPECT_FALSE(from.done());
  from.get(small);
  EXPECT_EQ(number, 0x04030201u);
  EXPECT_EQ(half, 0xffee);
  EXPECT_EQ(small, -1);
  EXPECT_TRUE(from.done());
}

TEST(Codec, PastTheEndAreZerosForGood) {
  std::vector<std::byte> bytes(5, std::byte{0xff});
  Reader from(bytes);
  uint64_t wide = 1;
  from.get(wide);
  EXPECT_EQ(wide, 0u);
  uint8_t byte = 1;
  from.get(byte);  // Would fit, but comes too late.
  EXPECT_EQ(byte, 0u);
  EXPECT_FALSE(from.ok());
  EXPECT_FALSE(from.done());
}

TEST(Codec, CountsAreBoundedByTheBytesLeft) {
  Writer to;
  to.put(uint32_t{3});
  for (int i = 0; i < 3; ++i) to.put(uint32_t{0});
  std::vector<std::string> list;
  Reader good(to.bytes());
  good.get(list);
  EXPECT_TRUE(good.done());
  EXPECT_EQ(list.size(), 3u);
  to.bytes()[0] = std::byte{4};
  Reader bad(to.bytes());
  bad.get(list);
  EXPECT_FALSE(bad.ok());
  EXPECT_TRUE(list.empty());
}

TEST(Codec, TextLongerThanTheBytesIsEmpty) {
  Writer to;
  to.put(std::string_view("hello"));
  to.bytes().pop_back();
  std::string text = "before";
  Reader from(to.bytes());
  from.get(text);
  EXPECT_FALSE(from.ok());
  EXPECT_EQ(text, "");
}

}  // namespace
}  // namespace cloche::wire
