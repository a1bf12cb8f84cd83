// Where this host's KVM cannot run guests: the same command line, in the emulated machine.
#pragma once

#include <optional>

#include "cli/command.h"
#include "cli/run_flags.h"
#include "cloche/result.h"

namespace cloche::cli {

// Whether VMs have to run in the emulated machine; says so in one line when that was not asked for. An error: they have
// to, and that was refused.
Result<bool> needs_machine(MachineUse wanted, Verbosity verbosity);

// Runs `invocation` there, with `words` put in behind the subcommand's name, and is its exit code.
Result<int> run_in_machine(const Invocation& invocation, const std::vector<std::string>& words = {});

// For commands about sandboxes, which are where their VMs run.
enum class Carry {
  kStarting,   // They start a VM: the machine is started for it.
  kIfRunning,  // Without a machine that runs, no sandbox does: what there is to know lies in files, here as well.
};
// The exit code where it was run there; empty where the command has to run here.
Result<std::optional<int>> carry_sandboxes(const Invocation& invocation, Carry carry,
                                           const std::vector<std::string>& words = {});

}  // namespace cloche::cli
