// Everything about the calling process that a command in the machine is to have as well.
#pragma once

#include <string>
#include <vector>

#include "carrier/protocol.h"
#include "carrier/terminal.h"

namespace cloche::carrier {

// The request for a command as the caller would run it. `terminal` is the caller's, in its usual mode.
Request describe_caller(std::vector<std::string> arguments, const Terminal& terminal);

// The descriptor (0, 1 or 2) that is the caller's terminal, stdin before the others; -1: none of them.
int find_terminal();

// A number that changes when the host's packages, or directories near the top of /usr, change.
uint64_t system_stamp();

}  // namespace cloche::carrier
