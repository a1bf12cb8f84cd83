// The flags of `create` and `run -d` for what a sandbox's process does for it: restarts, health checks, limits.
#pragma once

#include "cloche/sandbox.h"

namespace CLI {
class App;
}

namespace cloche::cli {

void add_upkeep_flags(CLI::App& app, SandboxConfig& sandbox);
// The flag of them that was given, for a VM that is no sandbox; empty: none.
std::string upkeep_flag_of(const SandboxConfig& sandbox);

// "no", "always", "on-failure" or "on-failure:MAX".
Result<RestartPolicy> parse_restart(const std::string& text);
// "1.5" CPUs, in thousandths.
Result<uint32_t> parse_cpu_share(const std::string& text);

}  // namespace cloche::cli
