// The process that a root file system names in /.krun_config.json, or in the file that KRUN_CONFIG names.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace cloche::krun {

inline constexpr const char* kConfigFile = "/.krun_config.json";
inline constexpr const char* kShell = "/bin/sh";  // What runs where nothing says what does.

struct ConfiguredProcess {
  std::vector<std::string> arguments{};
  std::vector<std::string> environment{};
  std::string working_directory{};
  std::vector<std::string> memory_mounts{};  // Of OCI's mounts, where a tmpfs is to be.
};

// From OCI's shape (process: args, env, cwd), from a flat one (args, env, cwd) and from Docker's (Entrypoint, Cmd, Env,
// WorkingDir). Nothing where `text` is none of them.
std::optional<ConfiguredProcess> parse_config(const std::string& text);
// Of the root at `root`, in the path `name` beneath it. Nothing: there is no such file, or it is none of ours.
std::optional<ConfiguredProcess> read_config(const std::string& root, const std::string& name);

}  // namespace cloche::krun
