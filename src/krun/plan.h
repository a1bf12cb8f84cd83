// From what a program has said to what cloche runs.
#pragma once

#include "cloche/config.h"
#include "cloche/result.h"
#include "krun/context.h"

namespace cloche::krun {

// Descriptors that it names are the caller's, or stay open for good: the process ends with the VM.
Result<Config> plan(const Context& context);

}  // namespace cloche::krun
