// Moments of time, as flags name them.
#pragma once

#include <cstdint>
#include <string>

#include "cloche/result.h"

namespace cloche::cli {

// "10m": that long ago; or a moment, as `logs -t` shows them. In ns since 1970.
Result<uint64_t> parse_moment(const std::string& text);

}  // namespace cloche::cli
