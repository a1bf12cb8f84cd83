// From flags to a sandbox.
#pragma once

#include "cli/command.h"
#include "cli/run_flags.h"

namespace cloche::cli {

// cloche run -d: makes the sandbox that `request` describes, starts it, prints its id. The exit code.
int run_detached(const Invocation& invocation, const RunRequest& request);

}  // namespace cloche::cli
