// The flags of `cloche run`, and what they ask for.
#pragma once

#include <optional>
#include <string>

#include "cloche/config.h"

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

struct RunRequest {
  Config config;
  MachineUse machine = MachineUse::kAuto;
  InputChoice input = InputChoice::kAuto;
  TerminalChoice terminal = TerminalChoice::kNone;
  std::optional<std::string> timings;  // A file for the trace, or kTimingsTable.
};

// Adds every flag of `cloche run` to `app`; parsing it fills in `request`, which must outlive it.
void add_run_flags(CLI::App& app, RunRequest& request);

}  // namespace cloche::cli
