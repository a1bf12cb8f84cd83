#include "devices/serial.h"

#include <algorithm>
#include <utility>

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

constexpr uint8_t kEnableReceived = 0x01;
constexpr uint8_t kEnableTransmitterEmpty = 0x02;
constexpr uint8_t kInterruptEnableBits = 0x0f;  // The others do not hold, which tells a 16550 from its successors.
constexpr uint8_t kNoInterrupt = 0x01;
constexpr uint8_t kCauseTransmitterEmpty = 0x02;
constexpr uint8_t kCauseReceived = 0x04;
constexpr uint8_t kFifosOn = 0xc0;
constexpr uint8_t kFifoEnable = 0x01;
constexpr uint8_t kClearReceived = 0x02;
constexpr uint8_t kDivisorLatchAccess = 0x80;
constexpr uint8_t kLoopback = 0x10;
constexpr uint8_t kModemControlBits = 0x1f;
constexpr uint8_t kDataReady = 0x01;
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

size_t Serial::receive(std::span<const std::byte> bytes) {
  std::lock_guard lock(mutex_);
  if (!looks_for_input()) return 0;
  size_t taken = std::min(bytes.size(), kFifoBytes - state_.received.size());
  state_.received.insert(state_.received.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(taken));
  if (taken > 0 && (state_.interrupt_enable & kEnableReceived) != 0) raise();
  return taken;
}

void Serial::drained() {
  std::lock_guard lock(mutex_);
  if (!state_.transmitter_full) return;
  state_.transmitter_full = false;
  announce_empty();
}

bool Serial::looks_for_input() const {
  return (state_.interrupt_enable & kEnableReceived) != 0 || state_.polls == kPolling;
}

void Serial::want() {
  if (wanted_ && state_.received.empty() && looks_for_input()) wanted_();
}

void Serial::raise() {
  if (irq_ != nullptr) irq_->raise();
}

uint8_t Serial::read_status() {
  if (state_.polls < kPolling && ++state_.polls == kPolling) want();
  return (state_.transmitter_full ? uint8_t{0} : kTransmitterEmpty) |
         (state_.received.empty() ? uint8_t{0} : kDataReady);
}

uint8_t Serial::take_received() {
  if (state_.received.empty()) return 0;
  uint8_t value = std::to_integer<uint8_t>(state_.received.front());
  state_.received.pop_front();
  want();
  return value;
}

uint8_t Serial::read_register(uint64_t offset) {
  bool divisor = (state_.line_control & kDivisorLatchAccess) != 0;
  switch (offset) {
    case kData:
      return divisor ? state_.divisor_low : take_received();
    case kInterruptEnable:
      return divisor ? state_.divisor_high : state_.interrupt_enable;
    case kInterruptIdentification:
      return identify_interrupt();
    case kLineControl:
      return state_.line_control;
    case kModemControl:
      return state_.modem_control;
    case kLineStatus:
      return read_status();
    case kModemStatus:
      return modem_status();
    case kScratch:
      return state_.scratch;
    default:
      return 0xff;
  }
}

void Serial::write_register(uint64_t offset, uint8_t value) {
  state_.polls = 0;
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
        enable_interrupts(value & kInterruptEnableBits);
      }
      break;
    case kInterruptIdentification:
      state_.fifo_control = value;
      if ((value & kClearReceived) != 0) state_.received.clear();
      want();
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

void Serial::enable_interrupts(uint8_t causes) {
  uint8_t added = ~state_.interrupt_enable & causes;
  state_.interrupt_enable = causes;
  // Enabling it while the transmitter is empty is an interrupt at once; Linux probes for that.
  if ((added & kEnableTransmitterEmpty) != 0 && !state_.transmitter_full) announce_empty();
  if ((added & kEnableReceived) == 0) return;
  if (!state_.received.empty()) raise();
  want();
}

void Serial::transmit(uint8_t value) {
  state_.transmitter_empty_pending = false;
  if (state_.transmitter_full) return;  // It was told.
  // In loopback the wire is cut off: the byte would come back as input, which we do not model.
  if ((state_.modem_control & kLoopback) == 0) {
    std::byte byte{value};
    state_.transmitter_full = output_({&byte, 1}) == Room::kFull;
  }
  if (!state_.transmitter_full) announce_empty();
}

void Serial::announce_empty() {
  state_.transmitter_empty_pending = true;
  if ((state_.interrupt_enable & kEnableTransmitterEmpty) != 0) raise();
}

uint8_t Serial::identify_interrupt() {
  uint8_t fifos = (state_.fifo_control & kFifoEnable) != 0 ? kFifosOn : uint8_t{0};
  if (!state_.received.empty() && (state_.interrupt_enable & kEnableReceived) != 0) return fifos | kCauseReceived;
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
