// Kelpie's guest protocol on vsock port 9001: a length as u32, big-endian, and that much JSON; one reply to each
// request, in order. Instead of the program that a kelpie sandbox brings, the agent serves it where the host asks.
#pragma once

#include <functional>
#include <string>

#include "sandbox/peer.h"

namespace cloche::agent {

enum class KelpieSide : uint8_t {
  kListen,   // The host connects, as often as it likes.
  kConnect,  // We connect to the host, one connection after the other.
};

// The answer to kKelpieListen and kKelpieConnect: begins to serve, in a process of its own, which does not hold `peer`.
// `defaults` is what a command has that kelpie's host does not say.
Result<void> begin_kelpie(sandbox::Peer& peer, KelpieSide side, const wire::Exec& defaults, const std::string& groups);

struct KelpieService {
  wire::Exec defaults;
  std::string groups;               // Where control groups are mounted, or empty.
  std::function<void()> shut_down;  // Tells that the guest is to end; the reply has been sent.
};

// One connection until the other end closes it.
void serve_kelpie(Fd connection, const KelpieService& service);

}  // namespace cloche::agent
