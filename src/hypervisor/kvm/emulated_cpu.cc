#include "hypervisor/kvm/emulated_cpu.h"

#include <cpuid.h>

#include <cstring>
#include <string_view>

namespace cloche::hypervisor::kvm {
namespace {

constexpr uint32_t kHypervisorLeaf = 0x40000000;
constexpr std::string_view kTcgSignature = "TCGTCGTCGTCG";

// Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E.
constexpr uint32_t kFma = 1u << 12, kXsave = 1u << 26, kOsXsave = 1u << 27, kAvx = 1u << 28, kF16c = 1u << 29;
constexpr uint32_t kAvx2 = 1u << 5, kAvx512 = 0xdc230000;  // Leaf 7, EBX.
constexpr uint32_t kVaes = 1u << 9, kVpclmul = 1u << 10;   // Leaf 7, ECX.
constexpr uint32_t kXop = 1u << 11, kFma4 = 1u << 16;      // Leaf 0x80000001, ECX.

}  // namespace

bool cpu_is_emulated() {
  uint32_t eax = 0, words[3] = {};
  __cpuid(1, eax, words[0], words[1], words[2]);
  if ((words[1] & 1u << 31) == 0) return false;  // No hypervisor at all.
  __cpuid(kHypervisorLeaf, eax, words[0], words[1], words[2]);
  return std::memcmp(words, kTcgSignature.data(), sizeof words) == 0;
}

void remove_xsave(std::vector<x86_64::CpuidEntry>& entries) {
  std::erase_if(entries, [](const x86_64::CpuidEntry& entry) { return entry.function == 0xd; });
  for (x86_64::CpuidEntry& entry : entries) {
    switch (entry.function) {
      case 1:
        entry.ecx &= ~(kFma | kXsave | kOsXsave | kAvx | kF16c);
        break;
      case 7:
        if (entry.index != 0) break;
        entry.ebx &= ~(kAvx2 | kAvx512);
        entry.ecx &= ~(kVaes | kVpclmul);
        break;
      case 0x80000001:
        entry.ecx &= ~(kXop | kFma4);
        break;
      default:
        break;
    }
  }
}

}  // namespace cloche::hypervisor::kvm
