// How a report about the host is shown.
#pragma once

#include <string>

#include "cloche/preflight.h"

namespace cloche::cli {

std::string doctor_text(const HostReport& report);
std::string doctor_json(const HostReport& report);

}  // namespace cloche::cli
