#include "krun/fit.h"

#include <fmt/format.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <filesystem>

#include "cloche/hostname.h"
#include "krun/log.h"

namespace cloche::krun {
namespace {

constexpr uint32_t kMostCpus = 16;            // Config::cpus
constexpr uint64_t kMostWindowPerMemory = 8;  // Config::dax_window_mib, in all.
constexpr uint64_t kMostOpenFiles = 1 << 20;  // What Linux allows unless it is told otherwise (fs.nr_open).

uint64_t host_memory_mib() {
  struct sysinfo host{};
  return ::sysinfo(&host) < 0 ? UINT64_MAX : (uint64_t{host.totalram} * host.mem_unit) >> 20;
}

// A window makes a file system faster; without one it does the same.
void fit_window(std::optional<uint32_t>& window_mib, uint64_t& left_mib) {
  if (!window_mib) return;
  if (*window_mib <= left_mib) {
    left_mib -= *window_mib;
    return;
  }
  write_log(Verbosity::kWarning, fmt::format("a DAX window of {} MiB is left out: all of them may have {} times the "
                                             "guest's memory",
                                             *window_mib, kMostWindowPerMemory));
  window_mib.reset();
}

}  // namespace

void fit_size(Config& config) {
  if (config.cpus > kMostCpus)
    write_log(Verbosity::kWarning, fmt::format("the VM has {} of {} virtual CPUs", kMostCpus, config.cpus));
  config.cpus = std::min(config.cpus, kMostCpus);
  uint64_t most_mib = host_memory_mib();
  if (config.memory_mib > most_mib)
    write_log(Verbosity::kWarning,
              fmt::format("the VM has {} of {} MiB of memory: this host has no more", most_mib, config.memory_mib));
  config.memory_mib = std::min(config.memory_mib, most_mib);
  uint64_t left_mib = config.memory_mib * kMostWindowPerMemory;
  fit_window(config.root.dax_window_mib, left_mib);
  for (Share& share : config.shares) fit_window(share.dax_window_mib, left_mib);
}

void fit_command(Config& config) {
  if (!is_hostname(config.hostname)) config.hostname = "localhost";  // The variable stays what it is.
  config.working_directory = (std::filesystem::path("/") / config.working_directory).lexically_normal().string();
  for (Limit& limit : config.limits) {
    if (limit.resource != "nofile") continue;
    limit.soft = std::min(limit.soft, kMostOpenFiles);
    limit.hard = std::min(limit.hard, kMostOpenFiles);
  }
}

}  // namespace cloche::krun
