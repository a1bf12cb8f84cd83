#include "cloche/version.h"

namespace cloche {

std::string_view version() { return CLOCHE_VERSION; }

}  // namespace cloche
