#include "hypervisor/kvm/emulated_cpu.h"

#include <gtest/gtest.h>

namespace cloche::hypervisor::kvm {
namespace {

TEST(RemoveXsave, TakesWhatNeedsItAndNothingElse) {
  constexpr uint32_t kAll = ~0u;
  std::vector<x86_64::CpuidEntry> entries{{.function = 1, .eax = kAll, .ebx = kAll, .ecx = kAll, .edx = kAll},
                                          {.function = 7, .index = 0, .ebx = kAll, .ecx = kAll},
                                          {.function = 7, .index = 1, .ebx = kAll},
                                          {.function = 0xd, .index = 0, .eax = 7},
                                          {.function = 0xd, .index = 1, .eax = 5},
                                          {.function = 0x80000001, .ecx = kAll}};
  remove_xsave(entries);
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_EQ(entries[0].ecx, kAll & ~(1u << 12 | 1u << 26 | 1u << 27 | 1u << 28 | 1u << 29));
  EXPECT_EQ(entries[0].edx, kAll);
  EXPECT_EQ(entries[1].ebx & (1u << 5 | 1u << 16), 0u);  // AVX2, AVX512F
  EXPECT_EQ(entries[1].ebx & 1u << 9, 1u << 9);          // ERMS
  EXPECT_EQ(entries[1].ecx & (1u << 9 | 1u << 10), 0u);  // VAES, VPCLMULQDQ
  EXPECT_EQ(entries[2].ebx, kAll);
  EXPECT_EQ(entries[3].ecx, kAll & ~(1u << 11 | 1u << 16));  // XOP, FMA4
}

}  // namespace
}  // namespace cloche::hypervisor::kvm
