// Restarts, health checks and limits of a sandbox: checked, and as its process takes them.
#pragma once

#include "base/result.h"
#include "cloche/sandbox.h"
#include "wire/vmm.h"

namespace cloche {

Result<void> plan_upkeep(const SandboxConfig& config, wire::VmSandbox& sandbox);

}  // namespace cloche
