// PacketWriter: puts packets into the buffers that the guest offers in the rx queue, and keeps those RSTs that belong
// to no connection until there is a buffer for them.
#pragma once

#include <sys/uio.h>

#include <deque>
#include <vector>

#include "devices/vsock/connection.h"
#include "virtio/device.h"

namespace cloche::vsock {

class PacketWriter {
 public:
  // RSTs that may wait. A guest that offers no buffers can make us owe any number of them: answers to packets for no
  // connection are dropped first, those that end a connection later. Whoever waits for a dropped one times out.
  static constexpr size_t kMostStrayResets = 256;
  static constexpr size_t kMostResets = 2048;
  // The most data in one packet, as Linux has it; and in one read of the host's end.
  static constexpr size_t kMostPayload = 64 << 10;

  // `queue` is the driver's rx queue, until detach(), which forgets everything.
  void attach(virtio::Queue& queue) { queue_ = &queue; }
  void detach();

  // Whether there is a buffer to put a packet into. When there is none, the guest kicks as soon as it offers one.
  // Fails (kGuest) when the guest offers one that holds no header.
  Result<bool> ready();
  // Sends a packet without data. Only after ready() said yes, as the calls below.
  void send(const Header& packet);
  // Room for up to `limit` bytes of data in the buffers at hand; they are filled from the first on. Empty if the next
  // buffer holds only a header. Valid until the next call.
  Result<std::span<const iovec>> data_room(size_t limit);
  // Sends `size` bytes that were put there, as packets of `connection`.
  void send_data(Connection& connection, size_t size);

  // For packets that are a datagram each. The room for data in the one buffer that send() uses next.
  std::vector<iovec> packet_room() const;
  // Sends `packet` with `payload`, or neither where they do not fit into that buffer.
  bool send_whole(const Header& packet, std::span<const std::byte> payload);

  enum class Sort : uint8_t { kStray, kConnection };
  // Sends an RST as soon as possible; false when it had to be dropped.
  bool add_reset(const Header& reset, Sort sort);
  Result<void> send_resets();

 private:
  struct Buffer {
    virtio::Chain chain;
    size_t payload;  // What fits after the header, at most kMostPayload.
  };
  Result<bool> take_buffer();

  virtio::Queue* queue_ = nullptr;
  std::deque<Buffer> buffers_;  // Taken from the queue and not yet used, in order. Never more than one read needs.
  std::deque<Header> resets_;
  std::vector<iovec> room_;
};

}  // namespace cloche::vsock
