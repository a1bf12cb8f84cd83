// From flags to a sandbox.
#pragma once

#include <chrono>

#include "cli/command.h"
#include "cli/run_flags.h"

namespace cloche::cli {

// What a sandbox has to become ready: more than a program would wait, as a computer without KVM is slow, and who sits
// at a terminal can end it.
constexpr std::chrono::minutes kStartPatience{2};

// What -i and -t ask for in a sandbox: its command's input stays open, and it has a terminal, for those who attach.
Result<void> keep_streams(RunRequest& request);

// cloche run -d: makes the sandbox that `request` describes, starts it, prints its id. The exit code.
int run_detached(const Invocation& invocation, const RunRequest& request);

}  // namespace cloche::cli
