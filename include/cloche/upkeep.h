// What a sandbox's process does for it without being asked: it starts it again, looks after its health, and keeps to
// its share of the host.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cloche {

// When a sandbox whose VM has ended is started again. What somebody stopped or killed is not, nor what its lifetime or
// its idleness ended, nor one that never came up. Before it begins again there is a pause: 100 ms, and twice as long
// each time, one minute at most; a sandbox that was up for 10 s begins with 100 ms again.
enum class RestartWhen : uint8_t {
  kNever,
  kOnFailure,  // Its command ended with a code other than 0 or by a signal, or the VM was lost.
  kAlways,     // However its command or its VM ended.
};

struct RestartPolicy {
  RestartWhen when = RestartWhen::kNever;
  uint32_t most = 0;  // For kOnFailure: so many times, counted from Sandbox::start(); 0: without end.
};

// A command in the sandbox, as its user and with its environment, that ends with 0 when all is well.
struct HealthCheck {
  std::vector<std::string> command{};          // Empty: no checks.
  std::chrono::milliseconds interval{30'000};  // From being ready to the first check, and from a check to the next.
  std::chrono::milliseconds timeout{30'000};   // A check that takes longer has failed, and is ended.
  std::chrono::milliseconds start_period{0};   // Failures in it do not count, before the first success.
  uint32_t retries = 3;                        // So many failures in a row are unhealthy.
};

enum class HealthStatus : uint8_t {
  kNone,      // There are no checks.
  kStarting,  // Neither is known yet.
  kHealthy,
  kUnhealthy,
};

// "none", "starting", "healthy", "unhealthy".
std::string_view name_of(HealthStatus status);

// What the VM's process may have of the host, held by a control group (cgroup v2) of its own: for that, the caller's
// own control group or one above it must be the caller's to divide. 0: no limit.
struct HostLimits {
  uint32_t cpu_thousandths = 0;  // Of one CPU's time: 1500 is one and a half.
  uint64_t memory_bytes = 0;     // The guest's memory and the process's own. More, and the kernel ends the process.
  uint32_t processes = 0;        // Threads, to be exact.
};

}  // namespace cloche
