// What may be the name of a host.
#pragma once

#include <cstddef>
#include <string_view>

namespace cloche {

inline constexpr size_t kMaxHostname = 64;  // Linux's __NEW_UTS_LEN.

// Letters, digits and hyphens, with dots between labels of 63 characters at most (RFC 1123, section 2.1).
bool is_hostname(std::string_view name);

}  // namespace cloche
