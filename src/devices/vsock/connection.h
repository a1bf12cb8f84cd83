// Connection: one stream between a port of the guest and one of the host, its credit both ways, and what it owes the
// guest. It knows no rings: vsock.h brings those.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/event_loop.h"
#include "devices/vsock/backlog.h"
#include "devices/vsock/host_stream.h"
#include "devices/vsock/packet.h"

namespace cloche::vsock {

enum class Phase : uint8_t {
  kRequested,    // We asked, the guest did not answer yet.
  kEstablished,  // Either side may have half-closed.
  kClosing,      // We shut down both ways and wait for the guest's RST.
  kDraining,     // Over for the guest; only the backlog is still handed to the host's end.
};

struct Address {
  uint64_t guest_cid = 0;
  uint32_t guest_port = 0;
  uint32_t host_port = 0;
};

// All that a snapshot must hold of a connection, apart from the host's descriptors.
struct ConnectionState {
  Address address;
  Phase phase = Phase::kEstablished;
  uint8_t owed = 0;               // Control packets to send, bits of Owed.
  uint8_t shutdown = 0;           // What we announced or owe an announcement of, bits of kShutdown*.
  uint8_t guest_shutdown = 0;     // What the guest announced.
  bool credit_requested = false;  // Since the guest last had room.
  // Byte counts since the connection began, modulo 2^32.
  uint32_t sent = 0;        // To the guest.
  uint32_t forwarded = 0;   // From the guest, and out of our hands ("fwd_cnt").
  uint32_t advertised = 0;  // The last `forwarded` that the guest was told.
  // What the guest told last.
  uint32_t peer_buf_alloc = 0;
  uint32_t peer_fwd_cnt = 0;
  Backlog backlog;
};

// The control packets that wait in a connection until there is an rx chain for them, in the order they are sent.
enum class Owed : uint8_t {
  kRequest = 1,
  kResponse = 2,
  kShutdown = 4,
  kCreditUpdate = 8,
  kCreditRequest = 16,
};

class Connection {
 public:
  using Done = std::function<void(Result<void>)>;

  Connection(Address address, HostStream host, EventLoop& loop);

  const ConnectionState& state() const { return state_; }
  Phase phase() const { return state_.phase; }
  void set_phase(Phase phase) { state_.phase = phase; }
  HostEnd& host() { return host_; }

  // Both sides agreed. A half that the host's end lacks is shut down at once.
  void establish();

  // Packets to the guest.
  void owe(Owed what) { state_.owed |= static_cast<uint8_t>(what); }
  bool owes() const { return state_.owed != 0; }
  // The next packet that is owed, which is taken as sent. There must be one.
  Header take_owed();
  // The header of a packet that is sent now: it carries our credit, so no credit update is owed after it.
  Header header(uint16_t op, uint32_t len = 0);
  // How much the guest can take now.
  uint32_t credit() const;
  // The guest may have room and not have said so. Linux guests say it by themselves, so this is asked once until there
  // was ample room: asking again for each little room would chop the stream into little pieces.
  void ask_for_credit();
  // Reads from the host's end into `room`, which is no larger than credit(). EAGAIN and errors as read() has them; at
  // the end of the file the guest is owed a shutdown.
  Transfer read_input(std::span<const iovec> room);
  // No more comes to the guest, or is taken from it: closes that half and owes it the news.
  void shut_down(uint32_t what);
  // There is something to read, credit allowing.
  bool may_read() const { return state_.phase == Phase::kEstablished && host_.input(); }

  // Packets from the guest.
  void take_credit(const Header& packet);
  // Whether the guest may send `size` more bytes.
  bool has_room(uint32_t size) const { return size <= Backlog::kSize - state_.backlog.size(); }
  // Hands the bytes of a packet on, as far as the host's end takes them, and keeps the rest. They must fit.
  // The error is 0, EPIPE (nobody reads: the output is closed, and what was to go there is gone) or fatal.
  int deliver(std::span<iovec> bytes);
  // The same for what was kept.
  int flush();
  void discard_backlog() { state_.backlog.clear(); }
  // The guest announced what it will no longer do.
  void take_shutdown(uint32_t flags);

  // What the device keeps with a connection.
  Done done;                                // For connect(): not yet called.
  std::optional<EventLoop::TimerId> timer;  // In kRequested and kClosing.
  bool queued = false;                      // Stands in the queue of connections that have something for the guest.
  bool readable = false;                    // Input may have something: no need to watch it.

 private:
  int finish_write(int error);
  void count_forwarded(size_t size);

  ConnectionState state_;
  HostEnd host_;
};

}  // namespace cloche::vsock
