// What every guest has besides its root: the kernel's own file systems, with what belongs inside.
#pragma once

#include "guest/init/failure.h"

namespace cloche::init {

struct System {
  const char* path;
  const char* type;
  unsigned long flags;
  const char* options;
};

// Mounts it at its path, where nothing is mounted yet.
Result<void> mount_at(const System& system);

// Mounts /proc, /sys and /dev with what belongs inside, in the root that there is.
Result<void> mount_system();

// Makes `root`, where something is mounted, the root of everything. An initramfs cannot be pivoted away from; it is
// mounted over.
Result<void> enter(const char* root);

}  // namespace cloche::init
