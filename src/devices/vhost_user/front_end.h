// FrontEnd: a virtio device whose queues another process serves, its back end, over the vhost-user protocol.
//
// The guest's driver sets up its queues as with any device; where they lie, the guest's memory and the eventfds for
// notifications go to the back end, and interrupts come back. Nothing that the back end does or leaves undone costs
// more than this device: an answer that is wrong or late, or a hang-up, is its end, which the driver is told as
// DEVICE_NEEDS_RESET. A new activation then fails in the same way.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/log.h"
#include "devices/vhost_user/back_end.h"
#include "devices/vhost_user/kind.h"
#include "virtio/device.h"

namespace cloche::vhost_user {

struct Options {
  uint32_t type = 0;  // virtio's number (section 5).
  std::string name{};
  uint32_t queues = 0;                  // 0: as many as the back end has.
  std::vector<uint16_t> queue_sizes{};  // The last one counts for the queues behind, too. Empty: kUsualQueueSize.
};

// Loop thread, all of it, but what virtio::Device says.
class FrontEnd final : public virtio::Device {
 public:
  static constexpr uint16_t kUsualQueueSize = 256;
  // More than a guest of 16 CPUs uses; each has an eventfd in KVM.
  static constexpr uint32_t kMostQueues = 64;

  // What it lives in, and is outlived by. `memory` is GuestMemory::Sharing::kShared.
  struct Place {
    const GuestMemory& memory;
    EventLoop& loop;
    Log log;
  };
  // Asks the back end what it is: kInvalidArgument where that has fewer queues than asked for.
  static Result<std::unique_ptr<FrontEnd>> create(Options options, BackEnd back_end, Place place);
  ~FrontEnd() override;
  FrontEnd(const FrontEnd&) = delete;
  FrontEnd& operator=(const FrontEnd&) = delete;

  uint32_t id() const override { return options_.type; }
  uint64_t features() const override;
  uint64_t ring_features() const override;
  virtio::Served served() const override { return virtio::Served::kElsewhere; }
  std::span<const uint16_t> queue_sizes() const override { return sizes_; }
  void read_config(uint64_t offset, std::span<std::byte> out) const override;
  void write_config(uint64_t offset, std::span<const std::byte> data) override;
  void activate(virtio::Driver& driver) override;
  void reset() override;
  Result<virtio::Kick> on_kick(unsigned index, virtio::Queue& queue) override;

 private:
  FrontEnd(Options options, BackEnd back_end, Place place);

  Result<void> meet();  // The rest of create().
  Result<std::vector<std::byte>> ask_config();
  void limit_queues(std::span<std::byte> config) const;
  Result<void> start();
  Result<void> start_queue(unsigned index);
  Result<void> stop();
  void lose(Error error);
  void unwatch();

  Options options_;
  Kind kind_;
  BackEnd back_end_;
  Place place_;
  std::vector<uint16_t> sizes_;
  std::vector<EventFd> calls_;     // One per queue: the back end's interrupts.
  int watched_ = -1;               // The back end's socket, for its hang-up.
  std::optional<Error> lost_;      // Why there is no back end any more.
  std::vector<unsigned> started_;  // The queues that the back end serves.
  virtio::Driver* driver_ = nullptr;
  mutable std::mutex config_mutex_;  // vCPU threads read what the loop's thread has from the back end.
  std::vector<std::byte> config_;
};

}  // namespace cloche::vhost_user
