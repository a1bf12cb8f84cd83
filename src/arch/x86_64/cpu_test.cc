#include "arch/x86_64/cpu.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace cloche::x86_64 {
namespace {

using hypervisor::x86_64::CpuidEntry;

constexpr uint32_t kVmx = 1 << 5, kSvm = 1 << 2;

CpuidEntry leaf(std::span<const CpuidEntry> entries, uint32_t function) {
  auto found = std::ranges::find(entries, function, &CpuidEntry::function);
  return found == entries.end() ? CpuidEntry{} : *found;
}

// What a guest is shown of a host that has both.
std::vector<CpuidEntry> shown(NestedVms nested_vms, uint32_t vmx = kVmx, uint32_t svm = kSvm) {
  std::vector<CpuidEntry> host{{.function = 1, .ecx = vmx},
                               {.function = 0x80000001, .ecx = svm},
                               {.function = 0x8000000a, .eax = 1, .ebx = 8, .edx = 0xf}};
  return make_cpuid(host, {.nested_vms = nested_vms});
}

TEST(NestedVmsTest, AreHiddenUnlessAskedFor) {
  auto hidden = shown(NestedVms::kHidden);
  EXPECT_EQ(leaf(hidden, 1).ecx & kVmx, 0u);
  EXPECT_EQ(leaf(hidden, 0x80000001).ecx & kSvm, 0u);
  EXPECT_EQ(leaf(hidden, 0x8000000a).edx, 0u);
  auto visible = shown(NestedVms::kShown);
  EXPECT_EQ(leaf(visible, 1).ecx & kVmx, kVmx);
  EXPECT_EQ(leaf(visible, 0x80000001).ecx & kSvm, kSvm);
  EXPECT_EQ(leaf(visible, 0x8000000a).edx, 0xfu);
}

TEST(NestedVmsTest, WhatTheHostLacksIsNotMadeUp) {
  auto visible = shown(NestedVms::kShown, 0, 0);
  EXPECT_EQ(leaf(visible, 1).ecx & kVmx, 0u);
  EXPECT_EQ(leaf(visible, 0x80000001).ecx & kSvm, 0u);
}

}  // namespace
}  // namespace cloche::x86_64
