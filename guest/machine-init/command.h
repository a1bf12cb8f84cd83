// One command in the machine, started with all that its caller has: descriptors, terminal, identity, limits, directory,
// signals.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.h"
#include "carrier/protocol.h"

namespace cloche::machine_init {

struct Command {
  pid_t pid = -1;      // Also its process group.
  Fd input;            // Write end of its stdin; none: closed or the terminal.
  Fd output, errors;   // Read ends of its stdout and stderr.
  Fd terminal;         // Master side, when it has a terminal.
  Fd terminal_slave;   // Kept open so that the terminal lives until the command has ended.
  std::string cgroup;  // Directory of its control group; all that it ever starts is in there.
};

// Why a command could not be started: what the client is told.
using StartFailure = carrier::Exited;

// Starts it. The calling process becomes leader of a session of its own, and the command a job in it, as under a shell:
// so it can be stopped and continued. `number` makes the control group's name unique. One command per process.
std::expected<Command, StartFailure> start_command(const carrier::Request& request, uint64_t number);

// Kills what is left of a control group's processes.
void kill_cgroup(const std::string& cgroup);

}  // namespace cloche::machine_init
