// From what a sandbox was made as to a running one, and to a command in it.
#pragma once

#include "base/result.h"
#include "cloche/sandbox.h"
#include "sandbox/control_client.h"
#include "sandbox/home.h"
#include "wire/agent.h"

namespace cloche {

// Checks every field as starting would, and starts nothing.
Result<void> plan_sandbox(const SandboxConfig& config);

// What the guest's agent is asked to run: `exec`, with what it leaves open as in `vm`.
Result<wire::Exec> plan_exec(const Config& vm, const ExecConfig& exec);

// Starts the process of its VM, and returns when that says that it can be used, or why it cannot.
Result<void> start_sandbox(const sandbox::Home& home, const SandboxInfo& sandbox, sandbox::Clock::time_point deadline);

}  // namespace cloche
