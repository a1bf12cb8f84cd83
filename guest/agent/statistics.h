// What the guest and its processes use, out of /proc.
#pragma once

#include "base/result.h"
#include "wire/agent.h"

namespace cloche::agent {

// Without PID 1, the kernel's threads and processes that run this very program.
Result<wire::Statistics> gather_statistics();

}  // namespace cloche::agent
