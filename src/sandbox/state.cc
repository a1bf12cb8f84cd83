#include "sandbox/state.h"

#include <fmt/format.h>
#include <time.h>

#include <array>

#include "sandbox/json_text.h"

namespace cloche {

std::string_view name_of(SandboxStatus status) {
  constexpr std::array<std::string_view, 10> kNames{"created",  "starting", "restarting", "running", "paused",
                                                    "stopping", "exited",   "stopped",    "failed",  "crashed"};
  return kNames[static_cast<size_t>(status)];
}

std::string_view name_of(HealthStatus status) {
  constexpr std::array<std::string_view, 4> kNames{"none", "starting", "healthy", "unhealthy"};
  return kNames[static_cast<size_t>(status)];
}

namespace sandbox {
bool is_live(Status status) { return status >= Status::kStarting && status <= Status::kStopping; }

std::string encode(const State& state) {
  return fmt::format(
      "{{\"version\": {}, \"status\": {}, \"pid\": {},\n"
      " \"started_ns\": {}, \"ready_ns\": {}, \"finished_ns\": {}, \"exit_code\": {}, \"signal\": {},\n"
      " \"reason\": {}, \"console_tail\": {},\n"
      " \"restarts\": {}, \"health\": {}, \"health_failures\": {}, \"health_output\": {}}}\n",
      State::kVersion, json_quoted(name_of(state.status)), state.pid, state.started_ns, state.ready_ns,
      state.finished_ns, state.exit_code, state.signal, json_quoted(state.reason), json_quoted(state.console_tail),
      state.restarts, json_quoted(name_of(state.health)), state.health_failures, json_quoted(state.health_output));
}

uint64_t realtime_now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace sandbox
}  // namespace cloche
