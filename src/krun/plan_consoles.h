// The command's streams and the guest's consoles.
#pragma once

#include <vector>

#include "cloche/config.h"
#include "cloche/foreground.h"
#include "cloche/result.h"
#include "krun/context.h"

namespace cloche::krun {

// After plan_boot(). Opens what krun_set_console_output() names.
Result<void> plan_consoles(const Context& context, Config& config);

// The caller's terminals that the guest has, made raw: each once.
Result<std::vector<RawTerminal>> raw_terminals(const Config& config);

}  // namespace cloche::krun
