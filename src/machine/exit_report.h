// How a VM ended, and where its time went.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "wire/guest.h"

namespace cloche {

enum class EndKind {
  kReported,     // cloche-init told us: `exited` says what became of the command.
  kPanic,        // The guest kernel panicked.
  kInitKilled,   // ... because its PID 1 died.
  kTripleFault,  // A vCPU gave up.
  kReset,        // The guest restarted or powered off without a word.
  kTimeout,      // The deadline passed.
  kCpuError,     // The hypervisor could not go on.
  kStopped,      // We were told to end it.
};

// One stretch of time. Host times are CLOCK_MONOTONIC of this host in ns; guest times have been moved onto the same
// clock.
struct Phase {
  std::string name;
  bool in_guest = false;
  uint64_t begin_ns = 0;
  uint64_t end_ns = 0;
};

struct ExitReport {
  EndKind kind = EndKind::kReset;
  wire::Exited exited;       // For kReported.
  std::string detail;        // One sentence for people: what happened.
  std::string console_tail;  // The guest kernel's last lines, escaped, where the end was not orderly.
  std::vector<Phase> phases;
  uint64_t guest_faults = 0;  // How often a device refused what the guest did.
};

}  // namespace cloche
