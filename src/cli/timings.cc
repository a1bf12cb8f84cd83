#include "cli/timings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace cloche::cli {
namespace {

std::vector<TimedPhase> in_order(std::span<const TimedPhase> phases) {
  std::vector<TimedPhase> sorted(phases.begin(), phases.end());
  std::ranges::sort(sorted, {}, [](const TimedPhase& phase) { return std::pair(phase.begin_ns, phase.end_ns); });
  return sorted;
}

double ms(uint64_t from_ns, uint64_t to_ns) { return to_ns < from_ns ? 0 : static_cast<double>(to_ns - from_ns) / 1e6; }

}  // namespace

std::string timings_table(std::span<const TimedPhase> phases) {
  if (phases.empty()) return "no timings\n";
  std::vector<TimedPhase> sorted = in_order(phases);
  uint64_t origin = sorted.front().begin_ns, end = 0;
  std::string table = fmt::format("{:>12}  {:>12}  {:<6}  {}\n", "at ms", "took ms", "where", "what");
  for (const TimedPhase& phase : sorted) {
    table += fmt::format("{:12.3f}  {:12.3f}  {:<6}  {}\n", ms(origin, phase.begin_ns),
                         ms(phase.begin_ns, phase.end_ns), phase.in_guest ? "guest" : "host", phase.name);
    end = std::max(end, phase.end_ns);
  }
  return table + fmt::format("{:12.3f}  in all\n", ms(origin, end));
}

// https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU: complete events ("X") with times in
// us.
std::string timings_trace(std::span<const TimedPhase> phases) {
  constexpr int kHostTrack = 1, kGuestTrack = 2;
  auto events = nlohmann::json::array();
  for (auto [track, name] : {std::pair(kHostTrack, "host"), std::pair(kGuestTrack, "guest")})
    events.push_back({{"ph", "M"}, {"name", "thread_name"}, {"pid", 1}, {"tid", track}, {"args", {{"name", name}}}});
  std::vector<TimedPhase> sorted = in_order(phases);
  uint64_t origin = sorted.empty() ? 0 : sorted.front().begin_ns;
  for (const TimedPhase& phase : sorted)
    events.push_back({{"ph", "X"},
                      {"name", phase.name},
                      {"cat", phase.in_guest ? "guest" : "host"},
                      {"pid", 1},
                      {"tid", phase.in_guest ? kGuestTrack : kHostTrack},
                      {"ts", ms(origin, phase.begin_ns) * 1e3},
                      {"dur", ms(phase.begin_ns, phase.end_ns) * 1e3}});
  nlohmann::json trace{{"traceEvents", std::move(events)}, {"displayTimeUnit", "ms"}};
  return trace.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<void> write_trace(const std::string& path, std::span<const TimedPhase> phases) {
  FILE* file = std::fopen(path.c_str(), "we");
  if (file == nullptr) return fail(ErrorCode::kHost, "write timings to " + path, errno);
  std::string trace = timings_trace(phases);
  bool whole = std::fwrite(trace.data(), 1, trace.size(), file) == trace.size();
  int error = errno;
  if (std::fclose(file) != 0 || !whole)
    return fail(ErrorCode::kHost, "write timings to " + path, whole ? errno : error);
  return {};
}

}  // namespace cloche::cli
