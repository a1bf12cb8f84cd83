// The bulk of a request: kData frames of the host's until an empty one.
#pragma once

#include <functional>
#include <span>

#include "sandbox/peer.h"

namespace cloche::agent {

using sandbox::Frame;
using sandbox::Peer;

// The host's data until its end, through `take`, which is not called again once it has failed; that is then answered,
// and the inner result. A frame that is none of it ends it as well: the outer error, which is the connection's.
Result<Result<void>> take_data(Peer& peer, const std::function<Result<void>(std::span<const std::byte>)>& take);

}  // namespace cloche::agent
