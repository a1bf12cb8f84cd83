#include "devices/serial.h"

namespace cloche {
namespace {

// Offsets. The first two mean the divisor while the divisor latch access bit is set.
constexpr uint64_t kData = 0;
constexpr uint64_t kInterruptEnable = 1;
constexpr uint64_t kInterruptIdentification = 2;  // Read; writes go to FIFO control.
constexpr uint64_t kLineControl = 3;
constexpr uint64_t kModemControl = 4;
constexpr uint64_t kLineStatus = 5;
constexpr uint64_t kModemStatus = 6;
constexpr uint64_t kScratch = 7;

constexpr uint8_t kEnableTransmitterEmpty = 0x02;
constexpr uint8_t kInterruptEnableBits = 0x0f;  // The others do not hold, which tells a 16550 from its successors.
constexpr uint8_t kNoInterrupt = 0x01;
constexpr uint8_t kCauseTransmitterEmpty = 0x02;
constexpr uint8_t kFifosOn = 0xc0;
constexpr uint8_t kFifoEnable = 0x01;
constexpr uint8_t kDivisorLatchAccess = 0x80;
constexpr uint8_t kLoopback = 0x10;
constexpr uint8_t kModemControlBits = 0x1f;
constexpr uint8_t kTransmitterEmpty = 0x60;  // Holding register and shift register.
constexpr uint8_t kConnected = 0xb0;         // Carrier, data set ready, clear to send.

}  // namespace

void Serial::read(uint64_t offset, std::span<std::byte> data) {
  std::lock_guard lock(mutex_);
  for (std::byte& byte : data) byte = std::byte{read_register(offset++)};
}

void Serial::write(uint64_t offset, std::span<const std::byte> data) {
  std::lock_guard lock(mutex_);
  for (std::byte byte : data) write_register(offset++, std::to_integer<uint8_t>(byte));
}

Serial::State Serial::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

uint8_t Serial::read_register(uint64_t offset) {
  bool divisor = (state_.line_control & kDivisorLatchAccess) != 0;
  switch (offset) {
    case kData:
      return divisor ? state_.divisor_low : uint8_t{0};  // Nothing is ever received.
    case kInterruptEnable:
      return divisor ? state_.divisor_high : state_.interrupt_enable;
    case kInterruptIdentification:
      return identify_interrupt();
    case kLineControl:
      return state_.line_control;
    case kModemControl:
      return state_.modem_control;
    case kLineStatus:
      return kTransmitterEmpty;
    case kModemStatus:
      return modem_status();
    case kScratch:
      return state_.scratch;
    default:
      return 0xff;
  }
}

void Serial::write_register(uint64_t offset, uint8_t value) {
  bool divisor = (state_.line_control & kDivisorLatchAccess) != 0;
  switch (offset) {
    case kData:
      if (divisor) {
        state_.divisor_low = value;
      } else {
        transmit(value);
      }
      break;
    case kInterruptEnable:
      if (divisor) {
        state_.divisor_high = value;
      } else {
        uint8_t before = state_.interrupt_enable;
        state_.interrupt_enable = value & kInterruptEnableBits;
        // Enabling it while the transmitter is empty is an interrupt at once; Linux probes for that.
        if ((~before & value & kEnableTransmitterEmpty) != 0) announce_empty();
      }
      break;
    case kInterruptIdentification:
      state_.fifo_control = value;
      break;
    case kLineControl:
      state_.line_control = value;
      break;
    case kModemControl:
      state_.modem_control = value & kModemControlBits;
      break;
    case kScratch:
      state_.scratch = value;
      break;
    default:
      break;  // The status registers are read-only.
  }
}

void Serial::transmit(uint8_t value) {
  state_.transmitter_empty_pending = false;
  // In loopback the wire is cut off: the byte would come back as input, which we do not model.
  if ((state_.modem_control & kLoopback) == 0) {
    std::byte byte{value};
    output_({&byte, 1});
  }
  announce_empty();
}

void Serial::announce_empty() {
  state_.transmitter_empty_pending = true;
  if ((state_.interrupt_enable & kEnableTransmitterEmpty) != 0 && irq_ != nullptr) irq_->raise();
}

uint8_t Serial::identify_interrupt() {
  uint8_t fifos = (state_.fifo_control & kFifoEnable) != 0 ? kFifosOn : uint8_t{0};
  if (!state_.transmitter_empty_pending || (state_.interrupt_enable & kEnableTransmitterEmpty) == 0)
    return fifos | kNoInterrupt;
  state_.transmitter_empty_pending = false;
  return fifos | kCauseTransmitterEmpty;
}

// In loopback the control outputs are wired to the status inputs: RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD.
uint8_t Serial::modem_status() const {
  if ((state_.modem_control & kLoopback) == 0) return kConnected;
  unsigned control = state_.modem_control;
  unsigned status = (control & 0x02) << 3 | (control & 0x01) << 5 | (control & 0x04) << 4 | (control & 0x08) << 4;
  return static_cast<uint8_t>(status);
}

}  // namespace cloche
