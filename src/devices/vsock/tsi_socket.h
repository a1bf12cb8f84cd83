// TsiSocket: what stands on the host for one socket of a guest's program, until its stream is handed to a Connection.
#pragma once

#include <deque>
#include <optional>

#include "base/event_loop.h"
#include "devices/vsock/tsi_unix.h"

namespace cloche::vsock {

enum class TsiState : uint8_t {
  kNew,         // Nothing on the host yet, or no more.
  kConnecting,  // The guest waits for the answer.
  kConnected,   // It has the answer, and is to fetch its stream.
  kHandedOver,  // Its stream is a Connection's.
  kListening,
  kDatagrams,  // A datagram socket with a descriptor.
};

struct TsiSocket {
  uint32_t port = 0;  // In the guest.
  sa_family_t family = 0;
  int type = 0;
  TsiState state = TsiState::kNew;
  Fd fd;
  bool watched = false;
  uint32_t answer_to = 0;  // The guest's port that waits for kConnect's or kAccept's answer.

  // Of a listener.
  uint16_t guest_port = 0;  // Where the guest's program thinks it listens; IPv4 and IPv6.
  TsiUnixName name;         // UNIX.
  uint32_t backlog = 0;     // Streams that may wait in the guest.
  uint32_t coming = 0;      // Offered to the guest, which has not answered yet.
  uint32_t waiting = 0;     // Established, and the guest was not told yet.
  bool is_accepting = false;
  bool may_wait = false;                    // For a stream to come, while is_accepting.
  std::optional<EventLoop::TimerId> pause;  // After an accept() that failed for want of something.

  // Of a datagram socket.
  std::optional<TsiAddress> destination;
  bool readable = false;  // Stands in the queue of those that may have something.
};

}  // namespace cloche::vsock
