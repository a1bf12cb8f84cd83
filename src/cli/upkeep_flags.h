// The flags of `create` and `run -d` for what a sandbox's process does for it: restarts, health checks, limits.
#pragma once

#include "cloche/sandbox.h"

namespace CLI {
class App;
}

namespace cloche::cli {

void add_upkeep_flags(CLI::App& app, SandboxConfig& sandbox);
// A flag that was given and is for sandboxes alone, where the VM is to be none; empty: there is none.
std::string sandbox_flag_of(const SandboxConfig& sandbox);

// "no", "always", "on-failure" or "on-failure:MAX".
Result<RestartPolicy> parse_restart(const std::string& text);
// "1.5" CPUs, in thousandths.
Result<uint32_t> parse_cpu_share(const std::string& text);

}  // namespace cloche::cli
