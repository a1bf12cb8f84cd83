#include "arch/x86_64/cpu.h"

#include <algorithm>
#include <bit>

#include "arch/x86_64/layout.h"

namespace cloche::x86_64 {
namespace {

using hypervisor::x86_64::CpuidEntry;
using hypervisor::x86_64::Msr;
using hypervisor::x86_64::Registers;
using hypervisor::x86_64::Segment;

// Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E.
constexpr uint32_t kLeafFeatures = 1, kLeafCaches = 4, kLeafTopology = 0xb, kLeafTopologyV2 = 0x1f,
                   kLeafPerformance = 0xa, kLeafAmdFeatures = 0x80000001, kLeafAmdSizes = 0x80000008,
                   kLeafSvm = 0x8000000a, kLeafAmdTopology = 0x8000001e, kLeafSev = 0x8000001f;
constexpr uint32_t kTscDeadline = 1u << 24;         // leaf 1, ECX. KVM has it and does not list it there.
constexpr uint32_t kHypervisor = 1u << 31;          // leaf 1, ECX
constexpr uint32_t kVmx = 1u << 5;                  // leaf 1, ECX
constexpr uint32_t kHyperThreading = 1u << 28;      // leaf 1, EDX: EBX[23:16] counts logical processors
constexpr uint32_t kSvm = 1u << 2;                  // leaf 0x80000001, ECX
constexpr uint32_t kTopologyExtensions = 1u << 22;  // leaf 0x80000001, ECX

constexpr uint32_t kLeastAddressBits = 36, kMostAddressBits = 52;  // Of any CPU with long mode.

void set_topology(std::vector<CpuidEntry>& entries, uint32_t leaf, CpuPlace place) {
  std::erase_if(entries, [leaf](const CpuidEntry& entry) { return entry.function == leaf; });
  auto core_bits = static_cast<uint32_t>(std::bit_width(place.count - 1));
  // One thread per core, all cores in one package.
  entries.push_back({leaf, 0, true, 0, 1, 1u << 8 | 0, place.index});
  entries.push_back({leaf, 1, true, core_bits, place.count, 2u << 8 | 1, place.index});
}

void edit(CpuidEntry& entry, CpuPlace place) {
  switch (entry.function) {
    case kLeafFeatures:
      entry.ebx = (entry.ebx & 0xffff) | std::bit_ceil(place.count) << 16 | place.index << 24;
      entry.ecx |= kTscDeadline | kHypervisor;
      if (place.nested_vms == NestedVms::kHidden) entry.ecx &= ~kVmx;
      entry.edx = place.count > 1 ? entry.edx | kHyperThreading : entry.edx & ~kHyperThreading;
      break;
    case kLeafCaches:
      if ((entry.eax & 0x1f) == 0) break;
      // Threads that share the cache: levels 1 and 2 belong to a core, level 3 to all. Cores in the package.
      entry.eax &= 0x3fff;
      if ((entry.eax >> 5 & 7) >= 3) entry.eax |= (std::bit_ceil(place.count) - 1) << 14;
      entry.eax |= (std::bit_ceil(place.count) - 1) << 26;
      break;
    case kLeafPerformance:
      entry.eax = entry.ebx = entry.ecx = entry.edx = 0;
      break;  // No performance counters.
    case kLeafAmdFeatures:
      entry.ecx &= ~kTopologyExtensions;
      if (place.nested_vms == NestedVms::kHidden) entry.ecx &= ~kSvm;
      break;
    case kLeafAmdSizes:
      entry.ecx = (entry.ecx & ~0xf0ffu) | (place.count - 1);
      break;
    case kLeafSvm:
      if (place.nested_vms == NestedVms::kHidden) entry.eax = entry.ebx = entry.ecx = entry.edx = 0;
      break;
    case kLeafSev:
    case kLeafAmdTopology:
      entry.eax = entry.ebx = entry.ecx = entry.edx = 0;
      break;
    default:
      break;
  }
}

Registers kernel_entry(GuestAddr entry) {
  Registers registers;
  registers.rip = entry.value;
  registers.rsi = kZeroPage.value;
  registers.rsp = kBootStack.value;
  registers.cr0 = 0x80050033;  // PE MP ET NE WP AM PG
  registers.cr3 = kPageTables.value;
  registers.cr4 = 0x20;    // PAE
  registers.efer = 0x500;  // LME LMA
  registers.gdt_base = kGdt.value;
  registers.gdt_limit = 5 * 8 - 1;
  registers.code = Segment{.limit = 0xffffffff, .selector = 0x10, .type = 11, .long_mode = true};
  registers.data = Segment{.limit = 0xffffffff, .selector = 0x18, .type = 3, .operand_32 = true};
  registers.task = Segment{.selector = 0x20, .type = 11, .code_or_data = false};
  return registers;
}

constexpr Msr kMsrs[] = {
    {0x174, 0},      {0x175, 0},      {0x176, 0},                                         // SYSENTER
    {0xc0000081, 0}, {0xc0000082, 0}, {0xc0000083, 0}, {0xc0000084, 0}, {0xc0000102, 0},  // SYSCALL, kernel GS
    {0x1a0, 1},      // IA32_MISC_ENABLE: fast string operations
    {0x2ff, 0x806},  // IA32_MTRR_DEF_TYPE: enabled, write-back everywhere (no firmware does it for us)
};

}  // namespace

std::vector<CpuidEntry> make_cpuid(std::span<const CpuidEntry> supported, CpuPlace place) {
  std::vector<CpuidEntry> entries(supported.begin(), supported.end());
  for (CpuidEntry& entry : entries) edit(entry, place);
  set_topology(entries, kLeafTopology, place);
  std::erase_if(entries, [](const CpuidEntry& entry) { return entry.function == kLeafTopologyV2; });
  return entries;
}

uint64_t address_count(std::span<const CpuidEntry> supported) {
  auto sizes = std::ranges::find(supported, kLeafAmdSizes, &CpuidEntry::function);
  uint32_t bits = sizes == supported.end() ? kLeastAddressBits : sizes->eax & 0xff;
  return uint64_t{1} << std::clamp(bits, kLeastAddressBits, kMostAddressBits);
}

Result<void> set_up_cpu(hypervisor::VirtualCpu& cpu, std::span<const CpuidEntry> supported, CpuPlace place,
                        std::optional<GuestAddr> entry) {
  TRY(cpu.set_cpuid(make_cpuid(supported, place)));
  TRY(cpu.set_msrs(kMsrs));
  TRY(cpu.set_local_interrupts());
  if (place.index == 0 && entry) TRY(cpu.set_registers(kernel_entry(*entry)));
  return {};
}

}  // namespace cloche::x86_64
