// Sandboxes as people and programs want to see them.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "cloche/sandbox.h"

namespace cloche::cli {

// "running 5m", "exited (3) 2h ago". `now_ns` as the times in SandboxInfo.
std::string status_text(const SandboxInfo& info, uint64_t now_ns);
// The command as one would type it, at most `most` characters.
std::string command_text(const SandboxInfo& info, size_t most);
std::string sandbox_table(std::span<const SandboxInfo> sandboxes, uint64_t now_ns);
// What `--json` and --format show of one: names that stay.
nlohmann::json sandbox_json(const SandboxInfo& info);
// `format` with each {name} replaced by that value of `values`; an error names the ones that there are.
Result<std::string> format_line(const std::string& format, const nlohmann::json& values);

uint64_t realtime_ns();

}  // namespace cloche::cli
