// The default root file system: the host's own programs, read-only, and nobody's data.
#pragma once

#include "devices/fs/fs.h"

namespace cloche {

// /usr, /bin, /sbin, /lib* of the host; from /etc what programs need to run; empty directories for the rest. No home
// directories, no keys, no shadow, no machine-id. Entries that the host lacks are left out.
Result<fs::Node> make_host_root();

}  // namespace cloche
