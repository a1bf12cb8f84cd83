// What the fuzzers of vsock and of TSI share: a device with its guest, whose packets and buffers are of their liking.
#pragma once

#include "devices/vsock/testing/fake_guest.h"
#include "input.h"

namespace cloche::vsock {

inline void require(bool holds) {
  if (!holds) __builtin_trap();
}

class FuzzGuest {
 protected:
  explicit FuzzGuest(EventLoop& loop) : loop_(loop), vsock_(loop, {}, Log()), driver_(vsock_) {}

  // Buffers for what the device says.
  void offer(FuzzInput& input, uint32_t most_bytes) {
    driver_.collect(Vsock::kReceive);
    for (uint32_t count = input.pick(8); count > 0; --count) {
      if (driver_.ring(Vsock::kReceive).free_descriptors() < 2) break;
      driver_.ring(Vsock::kReceive).add({.readable = {}, .writable = {44 + input.pick(8), input.pick(most_bytes) + 1}});
    }
    require(driver_.kick(Vsock::kReceive));
  }
  void send(std::vector<Bytes> parts) {
    driver_.send(Vsock::kTransmit, {.readable = std::move(parts), .writable = {}});
    driver_.collect(Vsock::kTransmit);
    require(!driver_.faulted());
  }
  static Bytes packet_of(const Header& header, const Bytes& payload) {
    Bytes all = virtio::bytes_of(header);
    all.insert(all.end(), payload.begin(), payload.end());
    return all;
  }

  EventLoop& loop_;
  Vsock vsock_;
  virtio::FakeDriver driver_;
};

// A guest's life of as many steps as the input has.
template <typename Guest>
void run_steps(FuzzInput& input, int most_steps) {
  static std::unique_ptr<EventLoop> loop = [] {
    ::signal(SIGPIPE, SIG_IGN);
    return EventLoop::create().value();
  }();
  Guest guest(*loop);
  for (int step = 0; step < most_steps && !input.empty(); ++step) guest.step(input);
}

}  // namespace cloche::vsock
