// UNIX sockets to a network's peer.
#pragma once

#include <string>

#include "base/fd.h"

namespace cloche::net {

Result<Fd> unix_socket(int type);
Result<void> bind_to(const Fd& socket, const std::string& path);
Result<void> connect_to(const Fd& socket, const std::string& path);

}  // namespace cloche::net
