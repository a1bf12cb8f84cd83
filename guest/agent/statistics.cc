#include "guest/agent/statistics.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <sstream>

#include "base/fd.h"

namespace cloche::agent {
namespace {

constexpr size_t kMostCommand = 1024;
constexpr size_t kMostText = 1 << 20;

uint64_t ticks_to_ns(uint64_t ticks) {
  static const auto per_second = static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  return ticks * (1'000'000'000 / per_second);
}

// The number after `key`, which begins a line of `text`; 0 without.
uint64_t number_after(const std::string& text, std::string_view key) {
  for (size_t at = text.find(key); at != std::string::npos; at = text.find(key, at + 1)) {
    if (at > 0 && text[at - 1] != '\n') continue;
    at = text.find_first_not_of(" \t", at + key.size());
    if (at == std::string::npos) return 0;
    uint64_t number = 0;
    std::from_chars(text.data() + at, text.data() + text.size(), number);
    return number;
  }
  return 0;
}

std::string text_of(const std::string& path) { return read_text_file(path, kMostText).value_or(std::string()); }

// Arguments with blanks between. Empty: a thread of the kernel's, or a process that is over.
std::string command_of(const std::string& folder) {
  std::string command = text_of(folder + "/cmdline");
  while (!command.empty() && command.back() == '\0') command.pop_back();
  std::ranges::replace(command, '\0', ' ');
  command.resize(std::min(command.size(), kMostCommand));
  return command;
}

bool is_ours(const std::string& folder) {
  struct stat program{}, own{};
  return ::stat((folder + "/exe").c_str(), &program) == 0 && ::stat("/proc/self/exe", &own) == 0 &&
         program.st_dev == own.st_dev && program.st_ino == own.st_ino;
}

// From /proc/PID/stat: what stands after the name in parentheses, which may hold anything.
bool read_stat(const std::string& folder, wire::ProcessStatistics& process) {
  std::string text = text_of(folder + "/stat");
  size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return false;
  std::istringstream rest(text.substr(name_end + 1));
  uint64_t skipped = 0, user = 0, system = 0, pages = 0;
  rest >> process.state >> process.parent;
  for (int i = 0; i < 9; ++i) rest >> text;  // pgrp to cmajflt; some are negative.
  rest >> user >> system;
  for (int i = 0; i < 4; ++i) rest >> text;  // cutime to nice.
  rest >> process.threads >> skipped >> skipped >> skipped >> pages;
  if (!rest) return false;
  process.user_ns = ticks_to_ns(user);
  process.system_ns = ticks_to_ns(system);
  process.memory_bytes = pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return true;
}

void read_whole(const std::string& proc, wire::Statistics& statistics) {
  std::istringstream cpu(text_of(proc + "/stat"));
  std::string name;
  uint64_t user = 0, nice = 0, system = 0, idle = 0;
  cpu >> name >> user >> nice >> system >> idle;
  statistics.user_ns = ticks_to_ns(user + nice);
  statistics.system_ns = ticks_to_ns(system);
  statistics.idle_ns = ticks_to_ns(idle);
  std::string memory = text_of(proc + "/meminfo");
  statistics.memory_bytes = number_after(memory, "MemTotal:") << 10;
  statistics.available_bytes = number_after(memory, "MemAvailable:") << 10;
  double uptime = 0;
  std::istringstream(text_of(proc + "/uptime")) >> uptime;
  statistics.uptime_ns = static_cast<uint64_t>(uptime * 1e9);
}

}  // namespace

Result<wire::Statistics> gather_statistics() {
  const std::string proc = "/proc";
  wire::Statistics statistics;
  read_whole(proc, statistics);
  std::error_code error;
  std::filesystem::directory_iterator entries(proc, error);
  if (error) return fail(ErrorCode::kHost, "read " + proc, error.value());
  for (const auto& entry : entries) {
    std::string name = entry.path().filename();
    wire::ProcessStatistics process;
    auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), process.pid);
    if (failure != std::errc() || *end != '\0' || process.pid == 1) continue;
    std::string folder = entry.path();
    process.command = command_of(folder);
    if (process.command.empty() || is_ours(folder) || !read_stat(folder, process)) continue;
    struct stat status{};
    if (::stat(folder.c_str(), &status) == 0) process.uid = status.st_uid;
    std::string io = text_of(folder + "/io");
    process.read_bytes = number_after(io, "rchar:");
    process.written_bytes = number_after(io, "wchar:");
    statistics.read_bytes += process.read_bytes;
    statistics.written_bytes += process.written_bytes;
    statistics.processes.push_back(std::move(process));
  }
  std::ranges::sort(statistics.processes, {}, &wire::ProcessStatistics::pid);
  return statistics;
}

}  // namespace cloche::agent
