// Trees of files of the guest, out of it and into it as tar streams. Paths are as in files.h.
#pragma once

#include "sandbox/peer.h"

namespace cloche::agent {

using sandbox::Frame;
using sandbox::Peer;

// Each answers one request; an error is the connection's, every other is answered with kError.
Result<void> pack_tree(Peer& peer, const wire::Pack& request);
Result<void> unpack_tree(Peer& peer, const wire::Unpack& request);

}  // namespace cloche::agent
