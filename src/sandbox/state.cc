#include "sandbox/state.h"

#include <fmt/format.h>
#include <time.h>

#include <array>

namespace cloche {

std::string_view name_of(SandboxStatus status) {
  constexpr std::array<std::string_view, 9> kNames{"created", "starting", "running", "paused", "stopping",
                                                   "exited",  "stopped",  "failed",  "crashed"};
  return kNames[static_cast<size_t>(status)];
}

namespace sandbox {
namespace {

// By hand, so that the VM's process needs no JSON library. `text` is printable: valid UTF-8 without other controls.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char each : text) {
    if (each == '\n')
      out += "\\n";
    else if (each == '\t')
      out += "\\t";
    else if (each == '"' || each == '\\')
      out.append({'\\', each});
    else
      out += each;
  }
  return out + '"';
}

}  // namespace

bool is_live(Status status) { return status >= Status::kStarting && status <= Status::kStopping; }

std::string encode(const State& state) {
  return fmt::format(
      "{{\"version\": {}, \"status\": {}, \"pid\": {},\n"
      " \"started_ns\": {}, \"ready_ns\": {}, \"finished_ns\": {}, \"exit_code\": {}, \"signal\": {},\n"
      " \"reason\": {}, \"console_tail\": {}}}\n",
      State::kVersion, quoted(name_of(state.status)), state.pid, state.started_ns, state.ready_ns, state.finished_ns,
      state.exit_code, state.signal, quoted(state.reason), quoted(state.console_tail));
}

uint64_t realtime_now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace sandbox
}  // namespace cloche
