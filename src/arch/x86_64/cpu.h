// How a vCPU looks to its guest and where it begins.
#pragma once

#include <optional>

#include "hypervisor/hypervisor.h"

namespace cloche::x86_64 {

// Whether a guest learns of its CPU that it can run VMs.
enum class NestedVms : uint8_t { kHidden, kShown };

struct CpuPlace {
  unsigned index = 0;
  unsigned count = 1;
  NestedVms nested_vms = NestedVms::kHidden;
};

// The CPUID of vCPU `place.index`: what the hypervisor supports, with our topology and without what a guest of ours
// must not use.
std::vector<hypervisor::x86_64::CpuidEntry> make_cpuid(std::span<const hypervisor::x86_64::CpuidEntry> supported,
                                                       CpuPlace place);

// How many guest physical addresses there are, from what the hypervisor supports.
uint64_t address_count(std::span<const hypervisor::x86_64::CpuidEntry> supported);

// Sets up the vCPU; the first one to enter the kernel at `entry` by the 64-bit boot protocol, the others to wait for
// it. Without an entry the first one begins as after a reset, 16 bytes below 4 GiB.
Result<void> set_up_cpu(hypervisor::VirtualCpu& cpu, std::span<const hypervisor::x86_64::CpuidEntry> supported,
                        CpuPlace place, std::optional<GuestAddr> entry);

}  // namespace cloche::x86_64
