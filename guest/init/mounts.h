// The guest's file systems: what every guest has, mounted before the host has said anything, then the root that Start
// names.
#pragma once

#include "guest/init/failure.h"
#include "wire/guest.h"

namespace cloche::init {

// Mounts /proc, /sys and /dev with what belongs inside, and memory for the root's overlay, all in the initramfs.
Result<void> mount_system();

// Mounts the root file system, makes it the root of everything, moves the system's mounts there and adds the shares.
Result<void> mount_root(const wire::Start& start);

}  // namespace cloche::init
