#include "cli/statistics_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace cloche::cli {
namespace {

constexpr double kHundred = 100;

// A guest whose kernel does not count what is read and written says 0 of both.
bool counts_io(const auto& its) { return its.read_bytes != 0 || its.written_bytes != 0; }

std::string io_text(const auto& its, uint64_t bytes) { return counts_io(its) ? bytes_text(bytes) : "-"; }

nlohmann::json io_json(const auto& its, uint64_t bytes) {
  return counts_io(its) ? nlohmann::json(bytes) : nlohmann::json();
}

nlohmann::json optional_json(const std::optional<uint64_t>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

std::string percent_text(double percent) { return fmt::format("{:.1f}%", percent); }

// To tenths: more is noise, for programs as well.
double rounded(double percent) { return static_cast<double>(static_cast<int64_t>(percent * 10 + 0.5)) / 10; }

}  // namespace

std::string bytes_text(uint64_t bytes) {
  constexpr std::array<const char*, 7> kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t unit = 0;
  auto value = static_cast<double>(bytes);
  // 1023.95 would be shown as 1024.0.
  for (; value >= 1023.95 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{}B", bytes)
                   : fmt::format("{:.{}f}{}", value, value < kHundred ? 1 : 0, kUnits[unit]);
}

std::string cpu_time_text(uint64_t ns) {
  uint64_t hundredths = ns / 10'000'000;
  return fmt::format("{}:{:02}.{:02}", hundredths / 6000, hundredths / 100 % 60, hundredths % 100);
}

std::string columns(std::span<const std::vector<std::string>> rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string usage_table(std::span<const Usage> usages) {
  std::vector<std::vector<std::string>> rows{
      {"NAME", "CPU", "MEMORY", "OF", "READ", "WRITTEN", "PROCESSES", "HOST CPU", "HOST MEMORY"}};
  for (const Usage& each : usages) {
    const auto& guest = each.now.guest;
    std::vector<std::string> row{each.name};
    if (guest)
      row.insert(row.end(), {percent_text(guest_cpu_percent(each.before, each.now)), bytes_text(guest->used_bytes()),
                             bytes_text(guest->memory_bytes), io_text(*guest, guest->read_bytes),
                             io_text(*guest, guest->written_bytes), fmt::format("{}", guest->processes.size())});
    else
      row.insert(row.end(), {"paused", "-", "-", "-", "-", "-"});
    row.push_back(percent_text(vmm_cpu_percent(each.before, each.now)));
    row.push_back(bytes_text(each.now.vmm.memory_bytes));
    rows.push_back(std::move(row));
  }
  return columns(rows);
}

nlohmann::json usage_json(const Usage& usage) {
  const auto& guest = usage.now.guest;
  auto of_guest = [&](auto value) { return guest ? nlohmann::json(value(*guest)) : nlohmann::json(); };
  using Guest = GuestStatistics;
  return {{"id", usage.id},
          {"name", usage.name},
          {"cpus", usage.now.cpus},
          {"cpu_percent", of_guest([&](const Guest&) { return rounded(guest_cpu_percent(usage.before, usage.now)); })},
          {"memory_bytes", of_guest([](const Guest& its) { return its.used_bytes(); })},
          {"memory_total_bytes", of_guest([](const Guest& its) { return its.memory_bytes; })},
          {"read_bytes", of_guest([](const Guest& its) { return io_json(its, its.read_bytes); })},
          {"written_bytes", of_guest([](const Guest& its) { return io_json(its, its.written_bytes); })},
          {"processes", of_guest([](const Guest& its) { return its.processes.size(); })},
          {"uptime_ms", of_guest([](const Guest& its) { return its.uptime_ns / 1'000'000; })},
          {"vmm_pid", usage.now.vmm.pid},
          {"vmm_cpu_percent", rounded(vmm_cpu_percent(usage.before, usage.now))},
          {"vmm_memory_bytes", usage.now.vmm.memory_bytes},
          {"vmm_read_bytes", optional_json(usage.now.vmm.read_bytes)},
          {"vmm_written_bytes", optional_json(usage.now.vmm.written_bytes)},
          {"vmm_threads", usage.now.vmm.threads}};
}

std::string process_table(std::span<const GuestProcess> processes) {
  std::vector<std::vector<std::string>> rows{
      {"PID", "PARENT", "UID", "STATE", "THREADS", "TIME", "MEMORY", "READ", "WRITTEN", "COMMAND"}};
  for (const GuestProcess& each : processes)
    rows.push_back({fmt::format("{}", each.pid), fmt::format("{}", each.parent), fmt::format("{}", each.uid),
                    std::string(1, each.state), fmt::format("{}", each.threads),
                    cpu_time_text(each.user_ns + each.system_ns), bytes_text(each.memory_bytes),
                    io_text(each, each.read_bytes), io_text(each, each.written_bytes), each.command});
  return columns(rows);
}

nlohmann::json process_json(const GuestProcess& process) {
  return {{"pid", process.pid},
          {"parent", process.parent},
          {"uid", process.uid},
          {"state", std::string(1, process.state)},
          {"threads", process.threads},
          {"user_ms", process.user_ns / 1'000'000},
          {"system_ms", process.system_ns / 1'000'000},
          {"memory_bytes", process.memory_bytes},
          {"read_bytes", io_json(process, process.read_bytes)},
          {"written_bytes", io_json(process, process.written_bytes)},
          {"command", process.command}};
}

}  // namespace cloche::cli
