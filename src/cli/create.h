// From flags to a sandbox.
#pragma once

#include "cli/command.h"
#include "cli/run_flags.h"

namespace cloche::cli {

// What -i and -t ask for in a sandbox: its command's input stays open, and it has a terminal, for those who attach.
Result<void> keep_streams(RunRequest& request);

// cloche run -d: makes the sandbox that `request` describes, starts it, prints its id. The exit code.
int run_detached(const Invocation& invocation, const RunRequest& request);

}  // namespace cloche::cli
