// A measurement of KVM, kept for as long as the host is up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace cloche {

// A directory of this user's own for things that last as long as the host is up: in $XDG_RUNTIME_DIR, or else in
// /dev/shm. Made when missing; empty when it is not ours alone (somebody else may have made it first), so that nobody
// can feed us a measurement.
std::string private_directory();

// Instructions per second as measured since the host came up; nothing when there is none.
std::optional<uint64_t> cached_speed(const std::string& directory);
// Failing to is no error: the next one measures again.
void cache_speed(const std::string& directory, uint64_t instructions_per_second);

}  // namespace cloche
