// KVM on a CPU that QEMU emulates (TCG): works, with one defect that its guests must not meet.
#pragma once

#include <vector>

#include "hypervisor/x86_64.h"

namespace cloche::hypervisor::kvm {

// Whether this process itself runs on such a CPU, by its hypervisor's signature (CPUID leaf 0x40000000).
bool cpu_is_emulated();

// Takes XSAVE, and everything that needs it, out of what a guest is offered. That CPU tells KVM nothing when a guest
// sets XCR0, so that KVM answers CPUID leaf 0xd for a state the guest is not in: Linux 6.1 then warns at each boot,
// with a page of text, that the sizes do not fit.
void remove_xsave(std::vector<x86_64::CpuidEntry>& entries);

}  // namespace cloche::hypervisor::kvm
