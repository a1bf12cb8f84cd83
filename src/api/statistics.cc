#include "cloche/statistics.h"

#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "api/monotonic.h"
#include "api/sandbox_place.h"
#include "base/fd.h"
#include "base/printable.h"
#include "sandbox/conversation.h"
#include "sandbox/life.h"

namespace cloche {
namespace {

using sandbox::Conversation;

// More than any guest of ours can have (its kernel stops at 32768), and little for us.
constexpr size_t kMostProcesses = 1 << 16;
constexpr size_t kMostCommand = 1024;

GuestProcess process_of(wire::ProcessStatistics&& told) {
  bool is_letter = (told.state >= 'A' && told.state <= 'Z') || (told.state >= 'a' && told.state <= 'z');
  return {.pid = told.pid,
          .parent = told.parent,
          .uid = told.uid,
          .threads = told.threads,
          .state = is_letter ? told.state : '?',
          .user_ns = told.user_ns,
          .system_ns = told.system_ns,
          .memory_bytes = told.memory_bytes,
          .read_bytes = told.read_bytes,
          .written_bytes = told.written_bytes,
          .command = printable(std::string_view(told.command).substr(0, kMostCommand))};
}

Result<GuestStatistics> ask_guest(const std::string& run_directory, sandbox::Clock::time_point deadline) {
  auto guest = TRY(Conversation::open(run_directory, deadline));
  TRY(guest.send(wire::encode_bytes(wire::AgentFrame::kStatistics, {})));
  auto told = TRY(guest.take<wire::Statistics>(wire::AgentFrame::kStatisticsAre));
  if (told.processes.size() > kMostProcesses)
    return fail(ErrorCode::kGuest, "the guest's agent tells of more processes than a guest can have");
  GuestStatistics statistics{.uptime_ns = told.uptime_ns,
                             .user_ns = told.user_ns,
                             .system_ns = told.system_ns,
                             .idle_ns = told.idle_ns,
                             .memory_bytes = told.memory_bytes,
                             .available_bytes = told.available_bytes,
                             .read_bytes = told.read_bytes,
                             .written_bytes = told.written_bytes};
  for (wire::ProcessStatistics& each : told.processes) statistics.processes.push_back(process_of(std::move(each)));
  std::ranges::sort(statistics.processes, {}, &GuestProcess::pid);
  return statistics;
}

// The number after `key` in /proc/PID/io.
std::optional<uint64_t> count_of(const std::string& text, std::string_view key) {
  std::istringstream lines(text);
  for (std::string name; lines >> name;) {
    uint64_t number = 0;
    lines >> number;
    if (name == key && lines) return number;
  }
  return std::nullopt;
}

// From /proc/PID/stat (proc(5)): what stands after the name in parentheses, which may hold anything.
Result<VmmStatistics> look_at_process(int pid) {
  std::string text = TRY(read_text_file("/proc/" + std::to_string(pid) + "/stat"));
  std::istringstream rest(text.substr(std::min(text.rfind(')'), text.size() - 1) + 1));
  std::string skipped;
  uint64_t user = 0, system = 0, pages = 0;
  VmmStatistics seen{.pid = pid};
  for (int i = 0; i < 11; ++i) rest >> skipped;  // state to cmajflt
  rest >> user >> system;
  for (int i = 0; i < 4; ++i) rest >> skipped;  // cutime to nice
  rest >> seen.threads;
  for (int i = 0; i < 3; ++i) rest >> skipped;  // itrealvalue to vsize
  rest >> pages;
  if (!rest) return fail(ErrorCode::kHost, "read the times of process " + std::to_string(pid));
  auto tick_ns = 1'000'000'000 / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  seen.user_ns = user * tick_ns;
  seen.system_ns = system * tick_ns;
  std::string moved = read_text_file("/proc/" + std::to_string(pid) + "/io").value_or(std::string());
  seen.read_bytes = count_of(moved, "rchar:");
  seen.written_bytes = count_of(moved, "wchar:");
  seen.memory_bytes = pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return seen;
}

double percent(uint64_t busy_from, uint64_t busy_to, uint64_t ns) {
  if (ns == 0 || busy_to <= busy_from) return 0;
  return 100.0 * static_cast<double>(busy_to - busy_from) / static_cast<double>(ns);
}

uint64_t span_ns(const SandboxStatistics& from, const SandboxStatistics& to) {
  return to.taken_ns - std::min(from.taken_ns, to.taken_ns);
}

}  // namespace

Result<SandboxStatistics> read_statistics(const Sandbox& sandbox, Sandbox::Deadline deadline) {
  auto until = sandbox::Clock::now() + deadline;
  SandboxPlace place = TRY(SandboxPlace::of(sandbox));
  return place.about("read its statistics", [&]() -> Result<SandboxStatistics> {
    const SandboxInfo& info = place.info;
    SandboxStatistics statistics{.cpus = info.config.vm.cpus};
    if (info.status != SandboxStatus::kPaused) statistics.guest = TRY(ask_guest(place.run_directory(), until));
    statistics.taken_ns = monotonic_now_ns();
    auto seen = look_at_process(info.pid);
    // The number is its process's as long as that has its life.
    if (!seen || !sandbox::is_alive(place.run_directory())) return fail(ErrorCode::kUnavailable, "it has just ended");
    statistics.vmm = *seen;
    return statistics;
  });
}

double guest_cpu_percent(const SandboxStatistics& from, const SandboxStatistics& to) {
  if (!from.guest || !to.guest) return 0;
  // Sums of what the guest says may wrap round; then it is what it gets.
  double said =
      percent(from.guest->user_ns + from.guest->system_ns, to.guest->user_ns + to.guest->system_ns, span_ns(from, to));
  return std::min(said, 100.0 * to.cpus);
}

double vmm_cpu_percent(const SandboxStatistics& from, const SandboxStatistics& to) {
  return percent(from.vmm.user_ns + from.vmm.system_ns, to.vmm.user_ns + to.vmm.system_ns, span_ns(from, to));
}

}  // namespace cloche
