// Files of the guest, read and changed for the host. Paths are absolute and mean what they mean to root in the guest.
#pragma once

#include "sandbox/peer.h"

namespace cloche::agent {

using sandbox::Frame;
using sandbox::Peer;

// Each answers one request; an error is the connection's, every other is answered with kError.
Result<void> read_file(Peer& peer, const wire::FileRange& range);
Result<void> write_file(Peer& peer, const wire::WriteFile& request);
Result<void> tell_status(Peer& peer, const std::string& path);
Result<void> list_directory(Peer& peer, const std::string& path);

// These answer nothing: serve() does.
Result<void> make_directory(const wire::MakeDirectory& request);
Result<void> move(const wire::Move& request);
Result<void> remove(const wire::Remove& request);

}  // namespace cloche::agent
