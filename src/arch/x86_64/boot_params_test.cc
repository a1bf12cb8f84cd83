#include "arch/x86_64/boot_params.h"

#include <asm/bootparam.h>
#include <gtest/gtest.h>

#include <array>

#include "arch/x86_64/cpu.h"
#include "arch/x86_64/layout.h"

namespace cloche::x86_64 {
namespace {

using hypervisor::x86_64::CpuidEntry;

uint8_t sum(std::span<const std::byte> bytes) {
  uint8_t total = 0;
  for (std::byte each : bytes) total = static_cast<uint8_t>(total + static_cast<uint8_t>(each));
  return total;
}

TEST(Layout, MemoryLeavesTheHole) {
  auto small = memory_ranges(128);
  ASSERT_EQ(small.size(), 1u);
  EXPECT_EQ(small[0].size, 128u << 20);
  auto large = memory_ranges(5 * 1024);
  ASSERT_EQ(large.size(), 2u);
  EXPECT_EQ(large[0].size, kHoleStart);
  EXPECT_EQ(large[1].start.value, kHoleEnd);
  EXPECT_EQ(large[0].size + large[1].size, 5ull << 30);
  EXPECT_EQ(memory_ranges(3 * 1024).size(), 1u);
}

TEST(MpTable, ChecksumsHoldAndItFits) {
  for (unsigned cpus : {1u, 2u, 16u}) {
    auto table = make_mp_table(cpus);
    EXPECT_EQ(sum(std::span(table).first(16)), 0);
    EXPECT_EQ(sum(std::span(table).subspan(16)), 0);
    EXPECT_LE(kMpTable.value + table.size(), 0xa0000u);
    auto length = static_cast<size_t>(table[16 + 4]) | static_cast<size_t>(table[16 + 5]) << 8;
    EXPECT_EQ(length, table.size() - 16);
  }
}

TEST(BootParams, WritesWhatLinuxReads) {
  auto memory = GuestMemory::create(memory_ranges(64)).value();
  boot::LoadedKernel kernel{{0x1000000}, {0x1200000}, std::nullopt};
  std::array<std::byte, 32> seed{};
  std::array<std::byte, 100> initramfs{};
  initramfs.fill(std::byte{7});
  ASSERT_TRUE(write_boot_params({kernel, initramfs, "quiet", seed, 1}, memory));
  auto params = memory.load<boot_params>(kZeroPage).value();
  EXPECT_EQ(params.hdr.header, 0x53726448u);
  EXPECT_EQ(params.hdr.ramdisk_image, 0x1200000u);
  EXPECT_EQ(params.hdr.ramdisk_size, 100u);
  EXPECT_EQ(memory.load<uint8_t>({0x1200000}).value(), 7);
  EXPECT_EQ((memory.load<std::array<char, 6>>(kCommandLine).value()),
            (std::array<char, 6>{'q', 'u', 'i', 'e', 't', 0}));
  uint64_t usable = 0;
  for (int i = 0; i < params.e820_entries; ++i)
    if (params.e820_table[i].type == 1) usable += params.e820_table[i].size;
  EXPECT_EQ(usable, kBaseMemoryEnd + (64u << 20) - kHighMemory);
}

TEST(BootParams, RefusesWhatDoesNotFit) {
  auto memory = GuestMemory::create(memory_ranges(32)).value();
  boot::LoadedKernel kernel{{0x1000000}, {0x1200000}, std::nullopt};
  EXPECT_FALSE(write_boot_params({kernel, {}, std::string(kMaxCommandLine, 'x'), {}, 1}, memory));
  std::vector<std::byte> large(32 << 20);
  EXPECT_FALSE(write_boot_params({kernel, large, "", {}, 1}, memory));
}

const CpuidEntry* find(const std::vector<CpuidEntry>& entries, uint32_t function, uint32_t index = 0) {
  for (const CpuidEntry& entry : entries)
    if (entry.function == function && entry.index == index) return &entry;
  return nullptr;
}

TEST(Cpuid, ShowsTopologyAndTheDeadlineTimer) {
  std::array supported{CpuidEntry{.function = 1, .ebx = 0xff000000, .ecx = 1u << 5},
                       CpuidEntry{.function = 0x80000001, .ecx = 4},
                       CpuidEntry{.function = 0x1f, .index_matters = true}};
  auto entries = make_cpuid(supported, {3, 6});
  const CpuidEntry* features = find(entries, 1);
  EXPECT_EQ(features->ebx >> 24, 3u);
  EXPECT_EQ(features->ebx >> 16 & 0xff, 8u);
  EXPECT_NE(features->ecx & 1u << 24, 0u);
  EXPECT_EQ(features->ecx & 1u << 5, 0u) << "VMX is hidden";
  EXPECT_EQ(find(entries, 0x80000001)->ecx & 4, 0u) << "SVM is hidden";
  EXPECT_EQ(find(entries, 0x1f), nullptr);
  const CpuidEntry* cores = find(entries, 0xb, 1);
  ASSERT_NE(cores, nullptr);
  EXPECT_EQ(cores->eax, 3u);
  EXPECT_EQ(cores->ebx, 6u);
  EXPECT_EQ(cores->edx, 3u);
}

}  // namespace
}  // namespace cloche::x86_64
