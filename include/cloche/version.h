// Which cloche this is.
#pragma once

#include <string_view>

namespace cloche {

// "0.1.0": of the library that is linked, which may be newer than this header.
std::string_view version();

}  // namespace cloche
