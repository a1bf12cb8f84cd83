// A 16550A UART. Registers as in the National Semiconductor PC16550D data sheet; the line is infinitely fast, so the
// transmitter is empty unless whoever hears it has had enough for now.
#pragma once

#include <deque>

#include <functional>
#include <mutex>

#include "bus/bus.h"

namespace cloche {

class Serial final : public BusDevice {
 public:
  static constexpr uint64_t kSize = 8;  // Ports.

  // Whether there is room for the next byte; if not, until drained().
  enum class Room : uint8_t { kMore, kFull };
  // Both are called on vCPU threads, one byte at a time, never two at once. They must not block, and must not come back
  // to this device.
  using Output = std::function<Room(std::span<const std::byte> bytes)>;
  // The guest looks for input, and has read what there was.
  using Wanted = std::function<void()>;
  // `irq` may be null (a polled console); it outlives the device.
  explicit Serial(Output output, IrqLine* irq = nullptr, Wanted wanted = {})
      : output_(std::move(output)), wanted_(std::move(wanted)), irq_(irq) {}

  // What has come in, as far as there is room: the number of bytes taken. None while the guest does not look for input,
  // as it would throw away what came before it had opened the line. Any thread.
  size_t receive(std::span<const std::byte> bytes);
  // There is room again for what the guest says. Any thread.
  void drained();

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
    bool transmitter_full = false;
    unsigned polls = 0;  // How often the line's status was read and nothing written in between, up to kPolling.
    std::deque<std::byte> received{};
  };
  State state() const;

 private:
  static constexpr size_t kFifoBytes = 16;
  static constexpr unsigned kPolling = 16;  // More than any driver needs to set the device up.

  uint8_t read_register(uint64_t offset);
  uint8_t read_status();
  uint8_t take_received();
  bool looks_for_input() const;
  void want();
  void raise();
  void write_register(uint64_t offset, uint8_t value);
  void enable_interrupts(uint8_t causes);
  void transmit(uint8_t value);
  void announce_empty();
  uint8_t identify_interrupt();
  uint8_t modem_status() const;

  const Output output_;
  const Wanted wanted_;
  IrqLine* const irq_;
  mutable std::mutex mutex_;  // Several vCPUs may write at once.
  State state_;
};

}  // namespace cloche
