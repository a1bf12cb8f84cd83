// A 16550A UART that only talks: for what the guest says before it has drivers (earlyprintk, 8250 console). Registers
// as in the National Semiconductor PC16550D data sheet; the line is infinitely fast, so the transmitter is always
// empty.
#pragma once

#include <functional>
#include <mutex>

#include "bus/bus.h"

namespace cloche {

class Serial final : public BusDevice {
 public:
  static constexpr uint64_t kSize = 8;  // Ports.

  // Called on vCPU threads, one byte at a time, never two at once. Must not block, and must not come back to this
  // device.
  using Output = std::function<void(std::span<const std::byte> bytes)>;
  // `irq` may be null (a polled console); it outlives the device.
  explicit Serial(Output output, IrqLine* irq = nullptr) : output_(std::move(output)), irq_(irq) {}

  void read(uint64_t offset, std::span<std::byte> data) override;
  void write(uint64_t offset, std::span<const std::byte> data) override;

  // What a snapshot holds.
  struct State {
    uint8_t interrupt_enable = 0;
    uint8_t fifo_control = 0;
    uint8_t line_control = 0;
    uint8_t modem_control = 0;
    uint8_t scratch = 0;
    uint8_t divisor_low = 12;  // 9600 baud, as firmware leaves it.
    uint8_t divisor_high = 0;
    bool transmitter_empty_pending = false;  // The cause that an interrupt identification read reports and clears.
  };
  State state() const;

 private:
  uint8_t read_register(uint64_t offset);
  void write_register(uint64_t offset, uint8_t value);
  void transmit(uint8_t value);
  void announce_empty();
  uint8_t identify_interrupt();
  uint8_t modem_status() const;

  const Output output_;
  IrqLine* const irq_;
  mutable std::mutex mutex_;  // Several vCPUs may write at once.
  State state_;
};

}  // namespace cloche
