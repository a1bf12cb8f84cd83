// Moments as what is kept of a sandbox has them: RFC 3339 in UTC with nine digits, "2026-11-25T09:08:07.123456789Z".
#pragma once

#include <cstdint>
#include <string>

namespace cloche::sandbox {

// Of ns since 1970.
std::string utc_text(uint64_t ns);
// The other way; 0 where it is none.
uint64_t parse_utc(const std::string& text);

}  // namespace cloche::sandbox
