// What a running sandbox uses: its guest as the guest says, and the process of its VM as the host sees it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cloche/result.h"
#include "cloche/sandbox.h"

namespace cloche {

// One process of the guest. The numbers are the guest's own.
struct GuestProcess {
  uint32_t pid = 0, parent = 0, uid = 0, threads = 0;
  char state = '?';  // As ps(1) has it: R, S, D, T, Z ...
  uint64_t user_ns = 0, system_ns = 0;
  uint64_t memory_bytes = 0;  // Resident.
  // By its system calls, whatever they were for; 0 where the guest's kernel does not count them, as cloche's own.
  uint64_t read_bytes = 0, written_bytes = 0;
  std::string command{};  // Its arguments with blanks between, cut short; printable.
};

struct GuestStatistics {
  uint64_t uptime_ns = 0;
  uint64_t user_ns = 0, system_ns = 0, idle_ns = 0;  // Of all its processors.
  uint64_t memory_bytes = 0, available_bytes = 0;
  uint64_t read_bytes = 0, written_bytes = 0;  // Of all processes that run, as above.
  std::vector<GuestProcess> processes{};       // Without the kernel's and cloche's own, by number.

  uint64_t used_bytes() const { return memory_bytes - std::min(memory_bytes, available_bytes); }
};

// The process of the VM. Its memory is what the guest has touched, and its own.
struct VmmStatistics {
  int pid = 0;
  uint64_t user_ns = 0, system_ns = 0;
  uint64_t memory_bytes = 0;  // Resident.
  uint32_t threads = 0;
  // By its system calls, most of them for the guest's shares and root; without where the host does not count them.
  std::optional<uint64_t> read_bytes{}, written_bytes{};
};

struct SandboxStatistics {
  uint64_t taken_ns = 0;                   // CLOCK_MONOTONIC of the host.
  uint32_t cpus = 1;                       // What the sandbox was made with.
  std::optional<GuestStatistics> guest{};  // Without while it is paused.
  VmmStatistics vmm{};
};

// kUnavailable where it does not run.
Result<SandboxStatistics> read_statistics(const Sandbox& sandbox, Sandbox::Deadline deadline = Sandbox::kUsual);

// How busy it was from one look to a later one; 100 is one processor. What the guest says is held against what its
// processors could have done.
double guest_cpu_percent(const SandboxStatistics& from, const SandboxStatistics& to);
double vmm_cpu_percent(const SandboxStatistics& from, const SandboxStatistics& to);

}  // namespace cloche
