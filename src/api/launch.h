// Starts the process of one VM with exactly the file descriptors it is to have.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>

#include "base/fd.h"
#include "cloche/config.h"

namespace cloche {

struct LaunchedVmm {
  pid_t pid = -1;
  Fd socket;  // Our end: wire/vmm.h is spoken over it.
};

// The first descriptor of the VM's process that is its caller's.
inline constexpr int kFirstPassed = 4;

// `streams` become 0, 1 and 2 of `program`, its end of the socket 3, `passed` those from kFirstPassed on; it has no
// other descriptor, no environment, and none of the signals that a terminal or a careless `kill` sends reaches it.
Result<LaunchedVmm> launch_vmm(const std::string& program, const StandardStreams& streams,
                               std::span<const int> passed = {});

}  // namespace cloche
