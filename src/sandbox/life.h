// The lock that tells whether the process of a sandbox lives: it holds it from its beginning, and the kernel lets go of
// it however that process ends.
#pragma once

#include <optional>
#include <string>

#include "base/fd.h"

namespace cloche::sandbox {

// Takes it, for as long as the descriptor is open in this process. kUnavailable: a process of the sandbox lives.
Result<Fd> take_life(const std::string& run_directory);
// Takes nothing, so that those who look are in nobody's way.
bool is_alive(const std::string& run_directory);

}  // namespace cloche::sandbox
