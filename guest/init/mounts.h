// The root that Start names, and what is mounted in it.
#pragma once

#include "guest/init/failure.h"
#include "wire/guest.h"

namespace cloche::init {

// Mounts memory for the root's overlay, in the initramfs.
Result<void> mount_memory();

// Mounts the root file system, makes it the root of everything, moves the system's mounts there and adds the shares.
Result<void> mount_root(const wire::Start& start);

}  // namespace cloche::init
