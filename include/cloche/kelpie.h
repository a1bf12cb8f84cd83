// How a sandbox is reached by a program that was written for kelpie: over a UNIX socket of the host that leads to vsock
// port 9001 of the guest, on which kelpie's guest protocol is spoken (a length and that much JSON).
#pragma once

#include <cstdint>
#include <string>

namespace cloche {

// Which end of the socket is ours; as with krun_add_vsock_port2()'s `listen`.
enum class KelpieSocket : uint8_t {
  kListen,   // We listen on it, and lead each connection to the guest, where something listens on the port.
  kConnect,  // The host's program listens on it. We connect to it each time the guest connects to the port.
};

// Who speaks in the guest.
enum class KelpieServer : uint8_t {
  kAgent,    // cloche's agent.
  kCommand,  // The sandbox's command, and by default that is /usr/local/bin/kelpie-guest.
};

struct KelpiePort {
  // Relative paths start at the caller's working directory. With kListen nothing may be there when the sandbox is
  // started; only the caller can connect to it (mode 0600), and not before the guest listens; it is gone at the end.
  std::string socket_path{};
  KelpieSocket socket = KelpieSocket::kListen;
  KelpieServer server = KelpieServer::kAgent;
};

}  // namespace cloche
