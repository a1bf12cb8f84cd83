// HOME, for an environment that lacks it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cloche::init {

// The home directory of `uid` in the text of an /etc/passwd; empty when it has none there.
std::string_view home_in(std::string_view passwd, uint32_t uid);
// The same from the guest's /etc/passwd, or "/".
std::string home_of(uint32_t uid);

}  // namespace cloche::init
