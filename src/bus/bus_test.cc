#include "bus/bus.h"

#include <gtest/gtest.h>

#include <array>

namespace cloche {
namespace {

struct Probe : BusDevice {
  uint64_t last = 0;
  void read(uint64_t offset, std::span<std::byte> data) override {
    last = offset;
    data[0] = std::byte{0x42};
  }
  void write(uint64_t offset, std::span<const std::byte>) override { last = offset; }
};

TEST(Bus, RoutesByAddress) {
  Bus bus;
  Probe low, high;
  ASSERT_TRUE(bus.add(0x1000, 0x100, low));
  ASSERT_TRUE(bus.add(0x2000, 0x100, high));
  std::array<std::byte, 4> data{};
  EXPECT_TRUE(bus.read(0x20fc, data));
  EXPECT_EQ(high.last, 0xfcu);
  EXPECT_EQ(data[0], std::byte{0x42});
  EXPECT_EQ(data[1], std::byte{0xff});
}

TEST(Bus, HolesReadAllOnes) {
  Bus bus;
  Probe probe;
  ASSERT_TRUE(bus.add(0x1000, 0x100, probe));
  std::array<std::byte, 4> data{};
  for (uint64_t address : {0x0ull, 0xfffull, 0x10fdull, 0x1100ull, ~0ull}) {
    data.fill({});
    EXPECT_FALSE(bus.read(address, data)) << address;
    EXPECT_EQ(data[3], std::byte{0xff});
    EXPECT_FALSE(bus.write(address, data)) << address;
  }
  EXPECT_EQ(probe.last, 0u);
}

TEST(Bus, RefusesOverlap) {
  Bus bus;
  Probe probe;
  ASSERT_TRUE(bus.add(0x1000, 0x100, probe));
  EXPECT_FALSE(bus.add(0x10ff, 1, probe));
  EXPECT_TRUE(bus.add(0x1100, 1, probe));
}

}  // namespace
}  // namespace cloche
