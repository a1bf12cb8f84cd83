#include "memory/guest_memory.h"

#include <gtest/gtest.h>

#include <array>

namespace cloche {
namespace {

GuestMemory two_regions() {
  std::array ranges{GuestMemory::Range{{0}, 0x4000}, GuestMemory::Range{{0x1'0000'0000}, 0x2000}};
  return GuestMemory::create(ranges).value();
}

TEST(GuestMemory, LoadsWhatWasStored) {
  auto memory = two_regions();
  ASSERT_TRUE(memory.store<uint64_t>({0x3ff8}, 0x1122334455667788));
  EXPECT_EQ(memory.load<uint64_t>({0x3ff8}).value(), 0x1122334455667788u);
  ASSERT_TRUE(memory.store<uint16_t>({0x1'0000'1ffe}, 0xbeef));
  EXPECT_EQ(memory.load<uint16_t>({0x1'0000'1ffe}).value(), 0xbeef);
  EXPECT_EQ(memory.size(), 0x6000u);
}

TEST(GuestMemory, RefusesWhatLeavesARegion) {
  auto memory = two_regions();
  EXPECT_FALSE(memory.range({0x3ff9}, 8));
  EXPECT_FALSE(memory.range({0x4001}, 0));
  EXPECT_TRUE(memory.range({0x4000}, 0));
  EXPECT_FALSE(memory.range({0x8000}, 1));
  EXPECT_FALSE(memory.range({0}, UINT64_MAX));
  EXPECT_FALSE(memory.range({UINT64_MAX}, 2));
  EXPECT_FALSE(memory.range({0x1'0000'1fff}, UINT64_MAX));
  EXPECT_EQ(memory.range({0xffff'ffff}, 1).error().code, ErrorCode::kGuest);
}

TEST(GuestMemory, RefusesOverlapAndFragments) {
  std::array overlap{GuestMemory::Range{{0}, 0x4000}, GuestMemory::Range{{0x3000}, 0x2000}};
  EXPECT_FALSE(GuestMemory::create(overlap));
  std::array odd{GuestMemory::Range{{0}, 0x4001}};
  EXPECT_FALSE(GuestMemory::create(odd));
  std::array none{GuestMemory::Range{{0}, 0}};
  EXPECT_FALSE(GuestMemory::create(none));
}

}  // namespace
}  // namespace cloche
