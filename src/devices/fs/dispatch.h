// Serves one FUSE request that lies in a chain.
#pragma once

#include <optional>

#include "devices/fs/session.h"

namespace cloche::fs {

// Reads the request, does it and writes the reply; the count of bytes written to the chain, 0 for requests without
// reply and for those that leave no room for one. Nothing: the request waits, and is to be served anew later. Never
// fails: what is wrong with a request is its reply.
std::optional<uint32_t> serve(Session& session, const virtio::Chain& chain);
// Answers a request with an errno, unserved.
uint32_t answer_error(const virtio::Chain& chain, int error);
// The number the guest gave the request; a whole header was there when it was served.
uint64_t unique_of(const virtio::Chain& chain);

}  // namespace cloche::fs
