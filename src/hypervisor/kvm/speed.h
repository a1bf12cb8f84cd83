// How fast KVM runs a guest's kernel mode here. A /dev/kvm that is software emulates it one instruction at a time, a
// thousand times slower than hardware, and lacks instructions that Linux needs; it opens and creates VMs like any
// other, so only measuring tells.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace cloche::hypervisor::kvm {

// Instructions per second of a loop at CPL 0 in long mode. Takes 1 to 2 ms on hardware and under software alike.
Result<uint64_t> measure_speed();

// Below this it is software: hardware is above 300 million/s, software was measured at 1 to 2.
inline constexpr uint64_t kSlowestHardware = 20'000'000;

}  // namespace cloche::hypervisor::kvm
