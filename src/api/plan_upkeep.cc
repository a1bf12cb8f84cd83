#include "api/plan_upkeep.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/sandbox_start.h"

namespace cloche {
namespace {

constexpr uint32_t kLeastThousandths = 10;       // The kernel takes no less than 1 ms in a period of 100 ms.
constexpr uint32_t kMostThousandths = 4096'000;  // More CPUs than Linux can have.
// What the process has besides its guest's memory, and its threads besides the vCPUs: generous, as a limit that is
// reached ends the VM.
constexpr uint64_t kOwnMemory = 32 << 20;
constexpr uint32_t kOwnThreads = 8;

std::unexpected<Error> bad(std::string what) { return fail(ErrorCode::kInvalidArgument, std::move(what)); }

uint64_t count_of(std::chrono::milliseconds time, int64_t least) {
  return static_cast<uint64_t>(std::max<int64_t>(time.count(), least));
}

Result<void> plan_restart(const RestartPolicy& policy, wire::VmRestart& restart) {
  if (policy.most != 0 && policy.when != RestartWhen::kOnFailure)
    return bad("restart: only on-failure has a number of times");
  restart.when = static_cast<wire::VmRestartWhen>(policy.when);
  restart.most = policy.most;
  return {};
}
static_assert(static_cast<int>(RestartWhen::kAlways) == static_cast<int>(wire::VmRestartWhen::kAlways));

Result<void> plan_health(const SandboxConfig& config, wire::VmHealth& health) {
  const HealthCheck& check = config.health;
  if (check.command.empty()) return {};
  if (check.interval.count() <= 0) return bad("health check: there must be time between two checks");
  if (check.timeout.count() <= 0) return bad("health check: it needs time");
  if (check.retries == 0) return bad("health check: at least one failure is needed to be unhealthy");
  auto command = plan_exec(config.vm, {.arguments = check.command, .timeout = check.timeout});
  if (!command) return std::unexpected(std::move(command).error().in("health check"));
  health.command = std::move(*command);
  health.interval_ms = count_of(check.interval, 1);
  health.start_period_ms = count_of(check.start_period, 0);
  health.retries = check.retries;
  return {};
}

Result<void> plan_host_limits(const SandboxConfig& config, wire::VmLimits& limits) {
  const HostLimits& wanted = config.limits;
  if (wanted.cpu_thousandths != 0 &&
      (wanted.cpu_thousandths < kLeastThousandths || wanted.cpu_thousandths > kMostThousandths))
    return bad(fmt::format("limit of CPU time: {} thousandths of a CPU; {} to {} can be", wanted.cpu_thousandths,
                           kLeastThousandths, kMostThousandths));
  uint64_t least = (config.vm.memory_mib << 20) + kOwnMemory;
  if (wanted.memory_bytes != 0 && wanted.memory_bytes < least)
    return bad(fmt::format("limit of memory: {} MiB; the VM's {} MiB and its process's own need {} at least",
                           wanted.memory_bytes >> 20, config.vm.memory_mib, least >> 20));
  uint32_t threads = config.vm.cpus + kOwnThreads;
  if (wanted.processes != 0 && wanted.processes < threads)
    return bad(
        fmt::format("limit of processes: {}; the VM's process needs {} threads at least", wanted.processes, threads));
  limits = {wanted.cpu_thousandths, wanted.memory_bytes, wanted.processes};
  return {};
}

}  // namespace

Result<void> plan_upkeep(const SandboxConfig& config, wire::VmSandbox& sandbox) {
  TRY(plan_restart(config.restart, sandbox.restart));
  TRY(plan_health(config, sandbox.health));
  return plan_host_limits(config, sandbox.limits);
}

}  // namespace cloche
