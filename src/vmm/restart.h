// A sandbox that begins again after its VM has ended: whether, when, and how.
//
// The process stays: it keeps its number and the sandbox's lock, serves the control socket while it waits, and then
// executes itself anew, so that nothing of the VM that was, and of what its guest may have done to this process's
// memory, is there in the next life.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "wire/vmm.h"

namespace cloche {

// One life of a sandbox that nobody stopped.
struct Life {
  bool failed = false;
  std::chrono::milliseconds good_for{};  // From being ready to its end.
};

// The pause before the next life; empty: there is none.
std::optional<std::chrono::milliseconds> pause_before_restart(const wire::VmRestart& policy, const Life& life);

// Waits for `pause`, and serves the control socket meanwhile. Returns why the sandbox is not to begin again, if it is
// not: somebody stops or kills it, or `lifetime` is over.
struct Rest {
  std::string run_directory;
  std::chrono::milliseconds pause{};
  std::optional<std::chrono::milliseconds> lifetime{};
};
enum class RestEnd : uint8_t { kOver, kStopped, kKilled, kLifetime };
Result<RestEnd> rest(const Rest& rest);

// Executes this program anew, with `config` and the lock. Returns only where that fails.
Error begin_again(wire::VmConfig config, const Fd& life);

}  // namespace cloche
