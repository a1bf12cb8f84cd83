// One connection of the host, request by request.
#pragma once

#include "base/fd.h"
#include "guest/agent/group.h"

namespace cloche::agent {

enum class Served {
  kConnection,  // The host has closed it.
  kGuest,       // The host wanted the guest to end, and it is ready to.
};

Served serve(Fd connection, Groups& groups);

}  // namespace cloche::agent
