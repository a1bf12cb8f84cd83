// One connection of the host, request by request.
#pragma once

#include <string>

#include "base/fd.h"

namespace cloche::agent {

enum class Served {
  kConnection,  // The host has closed it.
  kGuest,       // The host wanted the guest to end, and it is ready to.
};

// `groups` is where the guest's control groups are mounted; empty: commands get none.
Served serve(Fd connection, const std::string& groups);

}  // namespace cloche::agent
