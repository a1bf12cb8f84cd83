// What concerns the whole guest: its clock, its random numbers, its mounts, its end.
#pragma once

#include <chrono>

#include "base/result.h"
#include "wire/agent.h"

namespace cloche::agent {

Result<void> set_clock(uint64_t realtime_ns);
// The bytes count as random ones, and the kernel uses them from now on.
Result<void> reseed(std::span<const std::byte> bytes);
Result<void> mount_share(const wire::Mount& mount);
// SIGTERM to every process but PID 1 and those of this program, `grace` for them to end, SIGKILL, sync. What is new
// meanwhile goes as well.
Result<void> end_processes(std::chrono::milliseconds grace);

}  // namespace cloche::agent
