// Queue: the device side of one split virtqueue (virtio 1.2, section 2.7), hardened against the driver.
//
// The ring lies in guest memory and the guest may write anything there at any time. Every descriptor is copied once,
// checked, and never read again. A driver that breaks the rules makes pop() fail with kGuest; the transport then marks
// the device broken.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "memory/guest_memory.h"

namespace cloche::virtio {

// One request: buffers the driver filled, then buffers it wants filled. The spans point into guest memory: contents may
// change while they are read, so headers are copied out before they are checked. A chain may be kept over later pops:
// the spans live as long as the GuestMemory.
struct Chain {
  uint16_t head = 0;
  std::vector<std::span<const std::byte>> readable;
  std::vector<std::span<std::byte>> writable;
  // Some of them lie in a device's shared memory (GuestMemory::add_window): to be touched by system calls only.
  bool in_window = false;

  size_t readable_size() const;
  size_t writable_size() const;
  // Copies bytes [offset, offset + to.size()) of the readable half; false when it is shorter, or lies in a window where
  // there is nothing.
  bool copy_out(size_t offset, std::span<std::byte> to) const;
  // Copies into the writable half at `offset`; false when it is shorter (nothing is written then), or lies in a window
  // where there is nothing to write to.
  bool copy_in(size_t offset, std::span<const std::byte> from) const;
  // The readable / writable half without its first `offset` bytes, at most `size` bytes of it, as spans (for
  // readv/writev).
  std::vector<std::span<const std::byte>> readable_from(size_t offset, size_t size = SIZE_MAX) const;
  std::vector<std::span<std::byte>> writable_from(size_t offset, size_t size = SIZE_MAX) const;
};

// Where the driver put the ring, as it told the transport.
struct QueueLayout {
  uint16_t size = 0;
  GuestAddr descriptors;
  GuestAddr driver_ring;  // "available"
  GuestAddr device_ring;  // "used"
};

class Queue {
 public:
  struct Features {
    bool indirect = false;
    bool event_index = false;
    bool shared_buffers = false;  // Device::takes_shared_buffers().
  };
  // Everything of a queue that a snapshot must hold, apart from its layout.
  struct State {
    uint16_t next_available = 0;
    uint16_t next_used = 0;
    std::vector<uint64_t> in_flight;  // A bit per head.
  };

  // The largest request any of our devices takes; a cap on host work per request.
  static constexpr size_t kMaxChainBytes = 16 << 20;

  Queue() = default;  // Not ready: pop() yields nothing.
  // Checks the layout against the memory: size a power of two in 1..max_size, alignment 16/2/4, each ring whole in one
  // region, no overlap among the three. kGuest when it does not hold.
  static Result<Queue> create(const GuestMemory& memory, const QueueLayout& layout, uint16_t max_size,
                              Features features);

  bool ready() const { return memory_ != nullptr; }
  uint16_t size() const { return layout_.size; }
  const QueueLayout& layout() const { return layout_; }

  // The next request, or nothing when there is none. When there is none and event index is on, asks to be notified of
  // the next and looks once more, so that no kick is lost.
  Result<std::optional<Chain>> pop();
  // True when a pop() would yield something or fail.
  bool has_available() const;
  // Gives the chain back with the count of bytes written to its writable half. Heads that are not in flight are our
  // mistake.
  void push(uint16_t head, uint32_t written);
  // Whether the pushes since the last call must interrupt the driver (section 2.7.7 and 2.7.10). Clears the question.
  bool take_interrupt();
  size_t in_flight() const { return in_flight_count_; }

  const State& state() const { return state_; }

 private:
  Result<uint16_t> count_available() const;
  Result<Chain> walk(uint16_t head) const;
  bool flying(uint16_t head) const { return (state_.in_flight[head / 64] >> (head % 64) & 1) != 0; }

  const GuestMemory* memory_ = nullptr;
  QueueLayout layout_;
  Features features_;
  State state_;
  // Ring memory as this process sees it, checked at create().
  std::span<std::byte> descriptors_, driver_ring_, device_ring_;
  size_t in_flight_count_ = 0;
  uint32_t unsignalled_ = 0;  // Pushes since the last interrupt decision.
};

}  // namespace cloche::virtio
