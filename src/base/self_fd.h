// /proc/self/fd, whose links lead to open files themselves.
#pragma once

#include "base/fd.h"

namespace cloche {

// The directory. kUnavailable where /proc is not the proc file system: anything else there would be followed by name,
// and in a root that somebody made leads wherever he likes.
Result<Fd> open_self_fd();

}  // namespace cloche
