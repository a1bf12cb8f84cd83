// What has become of a sandbox: a small file that the process of its VM replaces at each turn, and that everybody
// reads. Whether that process still lives is not in it: that is the lock's matter (life.h).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/result.h"
#include "cloche/sandbox.h"

namespace cloche::sandbox {

using Status = SandboxStatus;  // kCrashed is never in the file, and of kCreated there is none.

// Whether there is to be a process.
bool is_live(Status status);

struct State {
  static constexpr int kVersion = 1;
  Status status = Status::kCreated;
  pid_t pid = 0;
  // Since 1970; 0 for what has not come yet.
  uint64_t started_ns = 0, ready_ns = 0, finished_ns = 0;
  int exit_code = 0;
  int signal = 0;
  std::string reason{};        // One sentence, where it neither exited nor runs. Printable, and the next too.
  std::string console_tail{};  // The guest kernel's last lines, where the VM was lost.
  uint32_t restarts = 0;
  HealthStatus health = HealthStatus::kNone;
  uint32_t health_failures = 0;
  std::string health_output{};  // Printable.
};

// As JSON, and from it: kProtocol where it is not one of ours.
std::string encode(const State& state);
Result<State> decode_state(const std::string& text);

inline constexpr const char* kStateFile = "state.json";

uint64_t realtime_now_ns();

}  // namespace cloche::sandbox
