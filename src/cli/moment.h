// Moments, as people write them and as they are shown. CLOCK_REALTIME of the host in ns since 1970.
#pragma once

#include <cstdint>
#include <string>

#include "cloche/result.h"

namespace cloche::cli {

// "10m": that long ago; or a moment, as moment_text() shows them.
Result<uint64_t> parse_moment(const std::string& text);
// "2026-11-25T09:08:07.123456789Z".
std::string moment_text(uint64_t ns);

}  // namespace cloche::cli
