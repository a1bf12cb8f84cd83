// Serves one FUSE request that lies in a chain.
#pragma once

#include "devices/fs/session.h"

namespace cloche::fs {

// Reads the request, does it and writes the reply; the count of bytes written to the chain, 0 for requests without
// reply and for those that leave no room for one. Never fails: what is wrong with a request is its reply.
uint32_t serve(Session& session, const virtio::Chain& chain);

}  // namespace cloche::fs
