// File systems on disks: the root, where it lies on one, and where the others are.
#pragma once

#include <string_view>

#include "guest/init/failure.h"
#include "wire/guest.h"

namespace cloche::init {

enum class RootUse { kRead, kWritten };

// What mount(2) takes, of options as mount(8) takes them.
struct MountOptions {
  unsigned long flags = 0;
  std::string data;  // For the file system; the words that are no flag, with commas between them.
};
MountOptions parse_mount_options(std::string_view text);

// The next type of a file system on a device, of what /proc/filesystems says; it is taken off `text`. Empty: no more.
std::string_view next_file_system(std::string_view& text);

// Mounts the file system on `device` at `path`.
Result<void> mount_root_device(const wire::RootDevice& device, const char* path, RootUse use);

struct DiskMount {
  std::string disk;  // "vda", for a partition of it as well. Empty: the kernel's root, wherever that is.
  std::string path;
  bool operator==(const DiskMount&) const = default;
};
// Where file systems of disks are mounted, of what /proc/mounts says, without the escapes.
std::vector<DiskMount> disk_mounts(std::string_view mounts);
std::vector<DiskMount> disk_mounts();

}  // namespace cloche::init
