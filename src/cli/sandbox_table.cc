#include "cli/sandbox_table.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>

#include "cli/statistics_table.h"

namespace cloche::cli {
namespace {

constexpr size_t kMostCommand = 40;

std::string age(uint64_t from_ns, uint64_t to_ns) {
  uint64_t seconds = to_ns > from_ns ? (to_ns - from_ns) / 1'000'000'000 : 0;
  if (seconds < 60) return fmt::format("{}s", seconds);
  if (seconds < 3600) return fmt::format("{}m", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{}h", seconds / 3600);
  return fmt::format("{}d", seconds / 86400);
}

// RFC 3339 in UTC; null for what has not come.
nlohmann::json time_json(uint64_t ns) {
  if (ns == 0) return nullptr;
  auto seconds = static_cast<time_t>(ns / 1'000'000'000);
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, ns / 1'000'000 % 1000);
}

std::string quoted(const std::string& word) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,@%+";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string out = "'";
  for (char each : word) {
    if (each == '\'')
      out += "'\\''";
    else
      out += static_cast<unsigned char>(each) < 0x20 ? ' ' : each;
  }
  return out + "'";
}

}  // namespace

uint64_t realtime_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

std::string status_text(const SandboxInfo& info, uint64_t now_ns) {
  std::string name(name_of(info.status));
  switch (info.status) {
    case SandboxStatus::kRunning:
    case SandboxStatus::kPaused:
      if (info.health != HealthStatus::kNone)
        return fmt::format("{} {} ({})", name, age(info.ready_ns, now_ns), name_of(info.health));
      return name + " " + age(info.ready_ns, now_ns);
    case SandboxStatus::kRestarting:
      return fmt::format("{} (so far {} times)", name, info.restarts);
    case SandboxStatus::kExited:
      if (info.signal != 0)
        return fmt::format("{} (signal {}) {} ago", name, info.signal, age(info.finished_ns, now_ns));
      return fmt::format("{} ({}) {} ago", name, info.exit_code, age(info.finished_ns, now_ns));
    case SandboxStatus::kStopped:
    case SandboxStatus::kFailed:
      return fmt::format("{} {} ago", name, age(info.finished_ns, now_ns));
    default:
      return name;
  }
}

std::string command_text(const SandboxInfo& info, size_t most) {
  std::string text;
  for (const std::string& word : info.config.vm.arguments) text.append(text.empty() ? "" : " ").append(quoted(word));
  if (text.size() > most) text = text.substr(0, most - 3) + "...";
  return text;
}

std::string sandbox_table(std::span<const SandboxInfo> sandboxes, uint64_t now_ns) {
  std::vector<std::vector<std::string>> rows{{"ID", "NAME", "STATUS", "CREATED", "COMMAND"}};
  for (const SandboxInfo& info : sandboxes)
    rows.push_back({info.id, info.name, status_text(info, now_ns), age(info.created_ns, now_ns) + " ago",
                    command_text(info, kMostCommand)});
  return columns(rows);
}

namespace {

std::string restart_text(const RestartPolicy& policy) {
  if (policy.when == RestartWhen::kNever) return "no";
  if (policy.when == RestartWhen::kAlways) return "always";
  return policy.most == 0 ? "on-failure" : fmt::format("on-failure:{}", policy.most);
}

nlohmann::json health_json(const HealthCheck& check) {
  if (check.command.empty()) return nullptr;
  return {{"command", check.command},
          {"interval_ms", check.interval.count()},
          {"timeout_ms", check.timeout.count()},
          {"start_period_ms", check.start_period.count()},
          {"retries", check.retries}};
}

void add_upkeep(const SandboxInfo& info, nlohmann::json& values) {
  const HostLimits& limits = info.config.limits;
  auto limit = [](auto value) { return value == 0 ? nlohmann::json() : nlohmann::json(value); };
  values["restart"] = restart_text(info.config.restart);
  values["restarts"] = info.restarts;
  values["health"] = name_of(info.health);
  values["health_failures"] = info.health_failures;
  values["health_output"] = info.health_output;
  values["health_check"] = health_json(info.config.health);
  values["cpus_limit"] = limit(limits.cpu_thousandths / 1000.0);
  values["memory_limit_bytes"] = limit(limits.memory_bytes);
  values["pids_limit"] = limit(limits.processes);
}

nlohmann::json networks_json(const std::vector<Network>& networks) {
  constexpr const char* kKinds[] = {"passt", "stream", "datagram", "tap"};
  auto all = nlohmann::json::array();
  for (const Network& network : networks) {
    auto ports = nlohmann::json::array();
    for (const PublishedPort& port : network.ports)
      ports.push_back({{"address", port.address},
                       {"host", port.host_port},
                       {"guest", port.guest_port},
                       {"protocol", port.protocol == PortProtocol::kTcp ? "tcp" : "udp"}});
    all.push_back({{"kind", kKinds[static_cast<size_t>(network.kind)]},
                   {"path", network.path},
                   {"dhcp", network.dhcp == Dhcp::kOn},
                   {"ports", std::move(ports)}});
  }
  return all;
}

nlohmann::json kelpie_json(const std::optional<KelpiePort>& port) {
  if (!port) return nullptr;
  return {{"path", port->socket_path},
          {"socket", port->socket == KelpieSocket::kListen ? "listen" : "connect"},
          {"server", port->server == KelpieServer::kAgent ? "agent" : "command"}};
}

std::string root_text(const Config& vm) {
  if (vm.root.source == RootSource::kHost) return "host";
  bool on_disk = vm.root.source == RootSource::kDisk && vm.root.disk < vm.disks.size();
  return on_disk ? vm.disks[vm.root.disk].path : vm.root.path;
}

}  // namespace

nlohmann::json sandbox_json(const SandboxInfo& info) {
  const Config& vm = info.config.vm;
  auto shares = nlohmann::json::array();
  for (const Share& share : vm.shares)
    shares.push_back(
        {{"host", share.host_path}, {"guest", share.guest_path}, {"read_only", share.access == Access::kReadOnly}});
  auto disks = nlohmann::json::array();
  for (const Disk& disk : vm.disks)
    disks.push_back({{"path", disk.path}, {"read_only", disk.access == Access::kReadOnly}});
  nlohmann::json values{
      {"id", info.id},
      {"name", info.name},
      {"status", name_of(info.status)},
      {"pid", info.pid},
      {"created", time_json(info.created_ns)},
      {"started", time_json(info.started_ns)},
      {"ready", time_json(info.ready_ns)},
      {"finished", time_json(info.finished_ns)},
      {"exit_code", info.exit_code},
      {"signal", info.signal},
      {"reason", info.reason},
      {"console_tail", info.console_tail},
      {"command", vm.arguments},
      {"labels", info.config.labels},
      {"cpus", vm.cpus},
      {"memory_mib", vm.memory_mib},
      {"hostname", vm.hostname},
      {"environment", vm.environment},
      {"input", vm.input == Input::kCarried},
      {"terminal", vm.terminal.has_value()},
      {"working_directory", vm.working_directory},
      {"uid", vm.user.uid},
      {"root", root_text(vm)},
      {"shares", std::move(shares)},
      {"networks", networks_json(vm.networks)},
      {"disks", std::move(disks)},
      {"stop_timeout_ms", info.config.stop_grace.count()},
      {"kelpie_port", kelpie_json(info.config.kelpie)},
      {"idle_timeout_ms", info.config.idle_timeout ? nlohmann::json(info.config.idle_timeout->count()) : nullptr},
      {"timeout_ms", vm.timeout ? nlohmann::json(vm.timeout->count()) : nullptr}};
  add_upkeep(info, values);
  return values;
}

Result<std::string> format_line(const std::string& format, const nlohmann::json& values) {
  std::string line;
  for (size_t at = 0; at < format.size(); ++at) {
    size_t end = format[at] == '{' ? format.find('}', at) : std::string::npos;
    if (end == std::string::npos) {
      line += format[at];
      continue;
    }
    std::string name = format.substr(at + 1, end - at - 1);
    if (!values.contains(name)) {
      std::string names;
      for (const auto& [key, value] : values.items()) names.append(names.empty() ? "" : ", ").append(key);
      return fail(ErrorCode::kInvalidArgument, fmt::format("--format: there is no {{{}}}; there are {}", name, names));
    }
    const nlohmann::json& value = values[name];
    constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
    line += value.is_string() ? value.get<std::string>() : value.is_null() ? "" : value.dump(-1, ' ', false, kReplace);
    at = end;
  }
  return line;
}

}  // namespace cloche::cli
