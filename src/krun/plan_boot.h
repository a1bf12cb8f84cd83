// The kernel, and what a guest that brings its own first program is told by the kernel's command line.
#pragma once

#include "cloche/config.h"
#include "cloche/result.h"
#include "krun/context.h"

namespace cloche::krun {

// Whose program is first, and the kernel. Before the rest of the plan, which depends on it.
Result<void> plan_boot(const Context& context, Config& config);

// For FirstProgram::kGuests: what libkrun's init reads there. After the networks. kInvalidArgument where a word cannot
// stand on a kernel's command line.
Result<void> plan_guests_command_line(const Context& context, Config& config);

}  // namespace cloche::krun
