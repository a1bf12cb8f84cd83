#include "cli/upkeep_flags.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "cli/flag.h"
#include "cli/values.h"

namespace cloche::cli {
namespace {

constexpr const char* kGroup = "A sandbox (-d)";
constexpr size_t kDecimals = 3;

std::unexpected<Error> bad(std::string what) { return fail(ErrorCode::kInvalidArgument, std::move(what)); }

void add_health_flags(CLI::App& app, HealthCheck& health) {
  add(app, kGroup, {"--health-cmd", "COMMAND", "A shell's command line that ends with 0 in the guest when all is well"},
      [&](const std::string& text) {
        health.command = {"sh", "-c", text};
        return text.empty() ? bad("the command is empty") : Result<void>();
      });
  add(app, kGroup, {"--health-interval", "TIME", "From one check to the next; default 30s"},
      [&](const std::string& text) { return store(parse_duration(text), health.interval); });
  add(app, kGroup, {"--health-timeout", "TIME", "A check that takes longer has failed; default 30s"},
      [&](const std::string& text) { return store(parse_duration(text), health.timeout); });
  add(app, kGroup, {"--health-retries", "N", "So many failures in a row are unhealthy; default 3"},
      [&](const std::string& text) { return store(parse_count(text), health.retries); });
  add(app, kGroup, {"--health-start-period", "TIME", "Failures do not count for so long, before the first success"},
      [&](const std::string& text) { return store(parse_grace(text), health.start_period); });
}

void add_limit_flags(CLI::App& app, HostLimits& limits) {
  add(app, kGroup, {"--cpus-limit", "N", "CPU time that its process may have of the host, in CPUs, as 0.5"},
      [&](const std::string& text) { return store(parse_cpu_share(text), limits.cpu_thousandths); });
  add(app, kGroup, {"--memory-limit", "SIZE", "Memory that its process may have of the host, the guest's included"},
      [&](const std::string& text) { return store(parse_size(text), limits.memory_bytes); });
  add(app, kGroup, {"--pids-limit", "N", "Threads that its process may have on the host"},
      [&](const std::string& text) { return store(parse_count(text), limits.processes); });
}

}  // namespace

void add_upkeep_flags(CLI::App& app, SandboxConfig& sandbox) {
  add(app, kGroup,
      {"--restart", "no|on-failure|always", "Start it again when it has ended; on-failure:N at most N times"},
      [&](const std::string& text) { return store(parse_restart(text), sandbox.restart); });
  add_health_flags(app, sandbox.health);
  add_limit_flags(app, sandbox.limits);
}

std::string sandbox_flag_of(const SandboxConfig& sandbox) {
  if (!sandbox.name.empty()) return "--name";
  if (!sandbox.labels.empty()) return "--label";
  if (sandbox.idle_timeout) return "--idle-timeout";
  if (sandbox.restart.when != RestartWhen::kNever) return "--restart";
  if (!sandbox.health.command.empty()) return "--health-cmd";
  if (sandbox.limits.cpu_thousandths != 0) return "--cpus-limit";
  if (sandbox.limits.memory_bytes != 0) return "--memory-limit";
  if (sandbox.limits.processes != 0) return "--pids-limit";
  return sandbox.kelpie ? "--kelpie-port" : "";
}

Result<RestartPolicy> parse_restart(const std::string& text) {
  constexpr std::string_view kTimes = "on-failure:";
  if (text == "no") return RestartPolicy{};
  if (text == "always") return RestartPolicy{.when = RestartWhen::kAlways};
  if (text == "on-failure") return RestartPolicy{.when = RestartWhen::kOnFailure};
  if (text.starts_with(kTimes)) {
    auto most = parse_count(text.substr(kTimes.size()));
    if (most && *most > 0) return RestartPolicy{.when = RestartWhen::kOnFailure, .most = *most};
  }
  return bad(fmt::format("'{}' is not one of no, on-failure, on-failure:N, always", text));
}

Result<uint32_t> parse_cpu_share(const std::string& text) {
  size_t point = std::min(text.find('.'), text.size());
  std::string decimals = point < text.size() ? text.substr(point + 1) : "";
  bool good = decimals.size() <= kDecimals && decimals.find_first_not_of("0123456789") == std::string::npos &&
              (point < text.size() ? !decimals.empty() : true);
  decimals.resize(kDecimals, '0');
  auto whole = point == 0 && good ? Result<uint32_t>(0) : parse_count(text.substr(0, point));
  auto thousandths = parse_count(decimals);
  if (!good || !whole || !thousandths || *whole > 1'000'000 || (*whole == 0 && *thousandths == 0))
    return bad(fmt::format("'{}' is not a number of CPUs; write it as 2, 1.5 or 0.25", text));
  return *whole * 1000 + *thousandths;
}

}  // namespace cloche::cli
