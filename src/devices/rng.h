// virtio-rng (virtio 1.2, section 5.4): fills each buffer with host entropy.
#pragma once

#include <array>

#include "virtio/device.h"

namespace cloche {

// Fills `out` from the host's random number generator (getrandom).
Result<void> fill_from_host(std::span<std::byte> out);

class Rng final : public virtio::Device {
 public:
  using Fill = Result<void> (*)(std::span<std::byte> out);
  explicit Rng(Fill fill = fill_from_host) : fill_(fill) {}

  uint32_t id() const override;
  std::span<const uint16_t> queue_sizes() const override { return kQueueSizes; }
  Result<virtio::Kick> on_kick(unsigned index, virtio::Queue& queue) override;

 private:
  static constexpr std::array<uint16_t, 1> kQueueSizes{64};
  Fill fill_;
};

}  // namespace cloche
