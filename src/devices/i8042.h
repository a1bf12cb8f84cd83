// The one thing that PCs still use the keyboard controller for: pulsing the CPU's reset line (Linux: reboot=k).
#pragma once

#include <functional>

#include "bus/bus.h"

namespace cloche {

class I8042 final : public BusDevice {
 public:
  static constexpr uint64_t kBase = 0x60;
  static constexpr uint64_t kSize = 5;  // Ports: data at 0, command and status at 4.

  // `reset` is called on a vCPU thread, as often as the guest asks.
  explicit I8042(std::function<void()> reset) : reset_(std::move(reset)) {}

  void read(uint64_t offset, std::span<std::byte> data) override;
  void write(uint64_t offset, std::span<const std::byte> data) override;

 private:
  const std::function<void()> reset_;
};

}  // namespace cloche
