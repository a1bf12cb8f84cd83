// Starts the process of one VM with exactly the file descriptors it is to have.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.h"
#include "cloche/config.h"

namespace cloche {

struct LaunchedVmm {
  pid_t pid = -1;
  Fd socket;  // Our end: wire/vmm.h is spoken over it.
};

// `streams` become 0, 1 and 2 of `program`, its end of the socket 3; it has no other descriptor, no environment, and
// none of the signals that a terminal or a careless `kill` sends reaches it.
Result<LaunchedVmm> launch_vmm(const std::string& program, const StandardStreams& streams);

}  // namespace cloche
