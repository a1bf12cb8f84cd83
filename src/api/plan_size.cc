// How large a VM may be, for how long it may run, and which descriptors it is given.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "api/plan.h"

namespace cloche {
namespace {

constexpr uint32_t kMaxCpus = 16;         // What the machine's tables and tests cover.
constexpr uint64_t kLeastMemoryMib = 32;  // Below, the guest's kernel does not reach its first process.

Result<void> check_stream(std::string_view name, int fd) {
  if (fd == -1 || (fd >= 0 && ::fcntl(fd, F_GETFD) >= 0)) return {};
  return fail(ErrorCode::kInvalidArgument, fmt::format("standard {}: file descriptor {} is not open", name, fd));
}

Result<void> check_memory(uint64_t memory_mib) {
  if (memory_mib < kLeastMemoryMib)
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("memory: {} MiB is too little for a guest; give it {} MiB or more", memory_mib, kLeastMemoryMib));
  struct sysinfo host{};
  if (::sysinfo(&host) < 0) return fail_errno("ask for the host's memory");
  uint64_t host_mib = (uint64_t{host.totalram} * host.mem_unit) >> 20;
  if (memory_mib > host_mib)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("memory: {} MiB is more than the {} MiB that this host has", memory_mib, host_mib));
  return {};
}

}  // namespace

Result<void> plan_size(const Config& config, Plan& plan) {
  if (config.cpus < 1 || config.cpus > kMaxCpus)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("cpus: {} is not possible; a VM has 1 to {}", config.cpus, kMaxCpus));
  TRY(check_memory(config.memory_mib));
  if (config.timeout && config.timeout->count() <= 0)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("timeout: {} ms is not a time to wait", config.timeout->count()));
  TRY(check_stream("input", config.streams.input));
  TRY(check_stream("output", config.streams.output));
  TRY(check_stream("error", config.streams.error));
  if (config.streams.input == -1 && (config.input == Input::kCarried || config.terminal))
    return fail(ErrorCode::kInvalidArgument, "standard input: is to be carried, and there is none");
  long host_cpus = ::sysconf(_SC_NPROCESSORS_ONLN);
  if (host_cpus > 0 && config.cpus > static_cast<uint64_t>(host_cpus))
    plan.notes.push_back(fmt::format("{} virtual CPUs take turns on this host's {}", config.cpus, host_cpus));
  plan.vm.cpus = config.cpus;
  plan.vm.memory_mib = config.memory_mib;
  plan.vm.timeout_ms = config.timeout ? static_cast<uint64_t>(config.timeout->count()) : 0;
  plan.vm.has_input = config.input == Input::kCarried || config.terminal.has_value();
  return {};
}

}  // namespace cloche
