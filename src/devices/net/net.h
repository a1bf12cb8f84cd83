// virtio-net (virtio 1.2, section 5.1): one pair of queues between a guest's eth0 and a back end on the host.
//
// Packets are copied, once each way: what is checked is what is sent, and a guest that changes a frame meanwhile
// changes nothing. Towards the guest at most one frame is held here; with no buffer of the guest's free the host's
// descriptor is watched only as long as the back end holds less than it may. From the guest, with a back end that takes
// no more, packets stay in the queue.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/event_loop.h"
#include "base/log.h"
#include "devices/net/back_end.h"
#include "devices/net/packet.h"
#include "virtio/device.h"

namespace cloche::net {

using Mac = std::array<uint8_t, 6>;

struct Options {
  Mac mac{};
  uint64_t offloads = 0;  // Of kOffloads, those offered to the guest.
  uint16_t mtu = 0;       // Where not 0, the guest is told.
  // Where given: whether the network's other end is well, and why not.
  std::function<Result<void>()> check{};
};

// All of a device that a snapshot has to hold.
struct State {
  uint64_t features = 0;  // What the driver acknowledged.
  bool link_up = true;
  Packet incoming{};                       // A packet for which the guest has too little room yet,
  std::vector<uint16_t> incoming_heads{};  // and the chains it has given for it.
  Packet outgoing{};                       // A packet that the back end does not take yet: the guest's next, of
  uint16_t outgoing_head = 0;              // this chain.
  uint64_t dropped = 0;                    // Frames that were not valid, or too large for who was to take them.
};

class Net final : public virtio::Device {
 public:
  static constexpr unsigned kReceive = 0;
  static constexpr unsigned kTransmit = 1;

  // Loop thread, all of it, but what virtio::Device says.
  Net(Options options, std::unique_ptr<BackEnd> back_end, EventLoop& loop, Log log);
  ~Net() override;
  Net(const Net&) = delete;
  Net& operator=(const Net&) = delete;

  uint32_t id() const override;
  uint64_t features() const override;
  std::span<const uint16_t> queue_sizes() const override { return kQueueSizes; }
  void read_config(uint64_t offset, std::span<std::byte> out) const override;
  void activate(virtio::Driver& driver) override;
  void reset() override;
  Result<virtio::Kick> on_kick(unsigned index, virtio::Queue& queue) override;

  const State& state() const { return state_; }
  // Whether the host's descriptor is being watched, and for what: for tests of back-pressure.
  uint32_t watched_events() const { return watched_; }

 private:
  static constexpr std::array<uint16_t, 2> kQueueSizes{256, 256};
  enum class Progress : uint8_t { kBudget, kStalled };

  Result<Progress> receive(virtio::Queue& queue);
  Progress wait_for_room();
  Result<bool> deliver(virtio::Queue& queue);
  void hand_over(virtio::Queue& queue);
  Result<Progress> transmit(virtio::Queue& queue);
  Result<bool> take_packet(virtio::Queue& queue);
  Moved send_outgoing(virtio::Queue& queue);
  void finish_outgoing(virtio::Queue& queue);
  void link_gone();
  void drop(const char* why);
  void ready(uint32_t events);
  void serve(unsigned index);
  void serve_again(unsigned index);
  void watch(uint32_t events);
  void update_watch();

  Options options_;
  std::unique_ptr<BackEnd> back_end_;
  EventLoop& loop_;
  Log log_;
  State state_;
  std::atomic<bool> link_up_ = true;  // state_.link_up, for vCPU threads.
  virtio::Driver* driver_ = nullptr;
  std::vector<virtio::Chain> room_;  // The chains of state_.incoming_heads.
  size_t room_size_ = 0;             // Their writable bytes.
  bool wants_input_ = false;         // The guest had a buffer when we last looked, or the back end room.
  bool wants_output_ = false;        // The back end did not take all.
  uint32_t watched_ = 0;
  std::array<std::optional<EventLoop::TimerId>, kQueueSizes.size()> again_;  // Per queue.
};

}  // namespace cloche::net
