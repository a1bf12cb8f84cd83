// The host's side of host_link.h for tests, in the same process: each connection is a socket pair.
#pragma once

#include <cstdint>

namespace cloche::init::testing {

// The next begin_connect(port) gets one end of a new socket pair; the other, blocking one is returned. Owned by the
// caller.
int listen_as_host(uint32_t port);

}  // namespace cloche::init::testing
