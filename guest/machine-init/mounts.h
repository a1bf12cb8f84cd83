// The machine's file systems: the host's own at the same paths, and what must be the machine's (devices, processes,
// /run).
#pragma once

#include <string>

#include "base/result.h"

namespace cloche::machine_init {

// What every mount of the host's files is asked for. 500 KiB is the most that 9p over virtio carries in one message.
inline constexpr std::string_view kShareOptions = "trans=virtio,version=9p2000.L,msize=512000";

// A file system to mount, as mount(2) takes it.
struct FileSystem {
  const char* source;
  const char* type;
  unsigned long flags = 0;
  std::string data;
};
Result<void> mount_at(const std::string& target, const FileSystem& what);

// Makes the host's file system the root, with devices, processes and the rest of the machine's own on top. Once, as
// PID 1.
Result<void> mount_everything();

// Writes a value to a file of /proc or /sys; false when there is no such setting.
bool set_kernel_value(const char* path, std::string_view value);

}  // namespace cloche::machine_init
