// Files that are nobody's but ours: where the state of something that runs lies, and how it is replaced.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>

#include "base/fd.h"

namespace cloche {

// A directory of ours, made where it is missing, in which nobody else has a right of `forbidden`; not through a
// symbolic link either. kPermission where what is there could be somebody else's.
Result<void> private_directory(const std::string& path, mode_t forbidden = 077);

// The user's own for what is gone with the host's next start: "cloche" below $XDG_RUNTIME_DIR or /run/user/UID, where
// one of them is there and is ours, else /tmp/cloche-UID.
Result<std::string> runtime_directory();

// Replaces a file at once, so that readers see the old or the new one. Only its owner can read it.
Result<void> write_private_file(const std::string& path, std::span<const std::byte> contents);

}  // namespace cloche
