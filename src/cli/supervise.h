// Stands by a running VM: passes on signals and the terminal's size until the VM has ended.
#pragma once

#include "cloche/foreground.h"
#include "cloche/vm.h"

namespace cloche::cli {

// `terminal` is the user's own, raw, where the command has one; null otherwise. Starts nothing.
Result<Outcome> supervise(Vm& vm, const Signals& signals, const RawTerminal* terminal);

}  // namespace cloche::cli
