#include "devices/i8042.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace cloche {
namespace {

struct Rig {
  int resets = 0;
  I8042 keyboard{[this] { ++resets; }};
  uint8_t in(uint64_t offset) {
    std::array<std::byte, 1> data{std::byte{0xee}};
    keyboard.read(offset, data);
    return std::to_integer<uint8_t>(data[0]);
  }
  void out(uint64_t offset, uint8_t value) {
    std::array<std::byte, 1> data{std::byte{value}};
    keyboard.write(offset, data);
  }
};

TEST(I8042, ResetCommandResets) {
  Rig rig;
  EXPECT_EQ(rig.in(4), 0);
  rig.out(4, 0xfe);
  EXPECT_EQ(rig.resets, 1);
}

TEST(I8042, OtherAccessesAreHarmless) {
  Rig rig;
  for (unsigned value = 0; value < 256; ++value) {
    if (value != 0xfe) rig.out(4, static_cast<uint8_t>(value));
    for (uint64_t offset = 0; offset < 4; ++offset) rig.out(offset, static_cast<uint8_t>(value));
  }
  EXPECT_EQ(rig.resets, 0);
  EXPECT_EQ(rig.in(0), 0);
  EXPECT_EQ(rig.in(1), 0xff);
  std::vector<std::byte> wide(8, std::byte{0xfe});
  rig.keyboard.write(5, wide);
  EXPECT_EQ(rig.resets, 0);
  rig.keyboard.write(0, wide);  // Covers the command port once.
  EXPECT_EQ(rig.resets, 1);
}

}  // namespace
}  // namespace cloche
