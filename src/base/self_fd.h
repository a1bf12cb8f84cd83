// /proc/self/fd, whose links lead to open files themselves.
#pragma once

#include <string>

#include "base/fd.h"

namespace cloche {

// The directory. kUnavailable where /proc is not the proc file system: anything else there would be followed by name,
// and in a root that somebody made leads wherever he likes.
Result<Fd> open_self_fd();

// Where the open file `fd` is found there, by this process or by whoever else has it under that number.
std::string self_fd_path(int fd);

}  // namespace cloche
