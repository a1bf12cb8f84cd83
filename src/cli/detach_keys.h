// The keys that detach from a sandbox's command, as flags name them.
#pragma once

#include <string>

#include "cloche/result.h"

namespace cloche::cli {

inline constexpr const char* kUsualDetachKeys = "\x10\x11";  // ctrl-p,ctrl-q

// "ctrl-p,ctrl-q", "ctrl-],q": the bytes that a terminal sends for them. Empty: none.
Result<std::string> parse_detach_keys(const std::string& text);

}  // namespace cloche::cli
