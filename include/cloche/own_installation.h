// Where a library of cloche's finds cloche's programs: beside itself.
#pragma once

#include <string>

namespace cloche {

// The directory that holds libexec/cloche, above the library or program in which `address` lies; empty where there is
// none. For Config::installation. Any thread.
std::string installation_around(const void* address);

}  // namespace cloche
