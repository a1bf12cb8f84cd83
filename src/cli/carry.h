// `cloche run` where this host's KVM cannot run guests: the same command line, in the emulated machine.
#pragma once

#include <optional>

#include "cli/command.h"
#include "cli/run_flags.h"
#include "cloche/result.h"

namespace cloche::cli {

// Whether `request` has to go through the emulated machine; says so in one line when that was not asked for. An error:
// it has to, and was refused.
Result<bool> needs_machine(const RunRequest& request);

// Runs `invocation` there and is its exit code.
Result<int> run_in_machine(const Invocation& invocation, const RunRequest& request);

}  // namespace cloche::cli
