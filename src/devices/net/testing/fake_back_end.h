// A network's other end in plain memory: what it holds for the guest, what it got, and when it takes no more. Its
// descriptor is one of a socket pair, so that the loop sees it readable when a test says so.
#pragma once

#include <sys/socket.h>

#include <deque>
#include <vector>

#include "base/fd.h"
#include "devices/net/back_end.h"
#include "virtio/testing/fake_driver.h"

namespace cloche::net {

using virtio::Bytes;

// A frame of `size` bytes that differ by `seed`.
inline Bytes frame_of(size_t size, unsigned seed = 1) {
  Bytes frame(size);
  for (size_t i = 0; i < size; ++i) frame[i] = static_cast<std::byte>(seed + i);
  return frame;
}

inline Bytes packet_of(const Bytes& frame, const Header& header = {}) {
  Bytes packet = virtio::bytes_of(header);
  packet.insert(packet.end(), frame.begin(), frame.end());
  return packet;
}

class FakeBackEnd final : public BackEnd {
 public:
  // What a test looks at and sets; it outlives the device that owns this.
  struct Wire {
    std::deque<Bytes> to_guest;  // Packets.
    std::vector<Bytes> from_guest;
    bool takes = true, keeps_headers = false, gone = false;
    uint64_t offloads = ~0ull;
    Fd ours, theirs;
    // Makes the descriptor readable; it stays so.
    void wake() const { static_cast<void>(!::send(theirs.get(), "", 1, 0)); }
  };

  explicit FakeBackEnd(Wire& wire) : wire_(wire) {
    int ends[2] = {-1, -1};
    static_cast<void>(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
    wire.ours = Fd(ends[0]);
    wire.theirs = Fd(ends[1]);
  }
  int fd() const override { return wire_.ours.get(); }
  bool carries_headers() const override { return wire_.keeps_headers; }
  Result<void> set_offloads(uint64_t features) override {
    wire_.offloads = features;
    return {};
  }
  Received receive(std::span<std::byte> to) override {
    if (wire_.gone) return {Moved::kGone};
    if (wire_.to_guest.empty()) return {Moved::kLater};
    Bytes packet = std::move(wire_.to_guest.front());
    wire_.to_guest.pop_front();
    if (packet.size() > to.size()) return {Moved::kDropped, packet.size()};
    std::ranges::copy(packet, to.begin());
    return {Moved::kDone, packet.size()};
  }
  Moved send(std::span<const std::byte> packet) override {
    if (wire_.gone) return Moved::kGone;
    if (!wire_.takes) return Moved::kLater;
    wire_.from_guest.emplace_back(packet.begin(), packet.end());
    return Moved::kDone;
  }

 private:
  Wire& wire_;
};

}  // namespace cloche::net
