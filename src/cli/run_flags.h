// The flags of `cloche run`, and what they ask for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cloche/sandbox.h"

namespace CLI {
class App;
}

namespace cloche::cli {

// Where KVM cannot run guests: whether the emulated machine is used.
enum class MachineUse { kAuto, kNever, kAlways };

enum class InputChoice {
  kAuto,  // Carried unless it is a terminal.
  kAlways,
  kNever,
};

enum class TerminalChoice { kNone, kWanted };

inline constexpr const char* kTimingsTable = "-";

// Whether the command's VM is a sandbox, which goes on without us.
enum class Detach { kNo, kYes };

struct RunRequest {
  Config config;
  SandboxConfig sandbox;             // Without its `vm`, which is `config`.
  std::vector<PublishedPort> ports;  // For the network that passt serves.
  std::string home;                  // Where sandboxes are kept; empty: as usual.
  Detach detach = Detach::kNo;
  MachineUse machine = MachineUse::kAuto;
  InputChoice input = InputChoice::kAuto;
  TerminalChoice terminal = TerminalChoice::kNone;
  std::optional<std::string> timings;  // A file for the trace, or kTimingsTable.
};

// Adds every flag of `cloche create` to `app`, in the same way.
void add_create_flags(CLI::App& app, RunRequest& request);

// The flags of `cloche exec`.
struct ExecFlags {
  ExecConfig& config;
  InputChoice& input;
  TerminalChoice& terminal;
};
void add_exec_flags(CLI::App& app, ExecFlags flags);

// "--home DIR", for every command about sandboxes.
void add_home_flag(CLI::App& app, std::string& home);

// Adds every flag of `cloche run` to `app`; parsing it fills in `request`, which must outlive it.
void add_run_flags(CLI::App& app, RunRequest& request);

}  // namespace cloche::cli
