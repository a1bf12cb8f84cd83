#include "memory/guest_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstring>

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

TEST(GuestMemory, SharedMemoryIsOneFileThatKeepsItsSize) {
  std::array ranges{GuestMemory::Range{{0}, 0x4000}, GuestMemory::Range{{0x1'0000'0000}, 0x2000}};
  auto memory = GuestMemory::create(ranges, GuestMemory::Sharing::kShared).value();
  ASSERT_TRUE(memory.store<uint32_t>({0x1'0000'1000}, 0x12345678));
  EXPECT_EQ(memory.regions()[1].file_offset, 0x4000u);
  // Another process's view of it.
  Mmap other = Mmap::shared(memory.file(), 0x6000, 0).value();
  uint32_t seen = 0;
  std::memcpy(&seen, other.data() + 0x5000, sizeof seen);
  EXPECT_EQ(seen, 0x12345678u);
  other.bytes()[0x10] = std::byte{7};
  EXPECT_EQ(memory.load<uint8_t>({0x10}).value(), 7);
  EXPECT_NE(::ftruncate(memory.file(), 0x1000), 0);
  EXPECT_NE(::ftruncate(memory.file(), 0x10000), 0);
  EXPECT_EQ(two_regions().file(), -1);
}

}  // namespace
}  // namespace cloche
