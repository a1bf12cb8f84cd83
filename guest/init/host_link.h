// Connections from the guest to the VMM, over vsock.
#pragma once

#include <cstdint>

#include "guest/init/failure.h"

namespace cloche::init {

// Begins to connect to `port` of the host; a non-blocking socket, close-on-exec. Fails only where no socket can be had:
// whether the host answers is for await_connected() to say, so that several connections are made at once while other
// work goes on.
Result<int> begin_connect(uint32_t port);
// Waits until the socket is connected. `what` names the connection in the error.
Result<void> await_connected(int socket, const char* what);

}  // namespace cloche::init
