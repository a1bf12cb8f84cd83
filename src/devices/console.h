// virtio-console (virtio 1.2, section 5.3) with one port and no input: where the guest kernel logs once it has drivers
// (hvc0).
#pragma once

#include <array>
#include <functional>

#include "virtio/device.h"

namespace cloche {

class Console final : public virtio::Device {
 public:
  // Called on the loop's thread with a copy of what the guest wrote, a few KiB at a time. Must not block.
  using Output = std::function<void(std::span<const std::byte> bytes)>;
  explicit Console(Output output) : output_(std::move(output)) {}

  static constexpr unsigned kReceive = 0;
  static constexpr unsigned kTransmit = 1;

  uint32_t id() const override;
  std::span<const uint16_t> queue_sizes() const override { return kQueueSizes; }
  // Buffers for input stay where they are, in the receive queue: nobody types.
  Result<virtio::Kick> on_kick(unsigned index, virtio::Queue& queue) override;

 private:
  static constexpr std::array<uint16_t, 2> kQueueSizes{64, 64};
  Output output_;
};

}  // namespace cloche
