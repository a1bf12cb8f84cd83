// UNIX sockets that only their owner can use: in a private directory, mode 0600, and the kernel is asked who calls.
#pragma once

#include <string>

#include "base/fd.h"

namespace cloche {

// A non-blocking listener at `directory`/`name`. What is there is replaced: the caller knows that nobody uses it.
Result<Fd> listen_privately(const std::string& directory, const char* name);
// The next caller, non-blocking; none where there is none, or where it is neither our user nor root.
Fd accept_owner(const Fd& listener);

}  // namespace cloche
