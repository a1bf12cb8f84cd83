// The control connection to the VMM (wire/guest.h), as PID 1 uses it.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "guest/init/failure.h"
#include "wire/guest.h"

namespace cloche::init {

// Nanoseconds of CLOCK_MONOTONIC: since the guest booted.
uint64_t monotonic_ns();

// What the host wants of a running command.
struct Order {
  enum class Kind { kSignal, kResize };
  Kind kind = Kind::kSignal;
  uint32_t signal = 0;
  uint16_t rows = 0, columns = 0;
};

// Does not own its socket, which lives as long as PID 1. Blocking or not makes no difference.
class Control {
 public:
  explicit Control(int socket) : socket_(socket) {}
  int socket() const { return socket_; }

  Result<void> greet(uint64_t began_ns);
  // Waits for the host's Start. A signal that overtook it is kept for hear().
  Result<wire::Start> receive_start();

  enum class Heard { kOrder, kNothing, kHostGone };
  // The next order, without waiting and without allocating. Frames that are no orders are passed over.
  Heard hear(Order& order);

  // Sends the report and waits until the host closes the connection or ends the VM, at most `farewell_ms`.
  Result<void> report(const wire::Exited& exited, int farewell_ms);

 private:
  static constexpr size_t kBuffer = 256;  // Orders are a few bytes; a longer frame is none and is skipped.
  Result<void> send(std::span<const std::byte> frame);
  Result<void> read_exactly(std::span<std::byte> to);
  Result<void> skip_early(const wire::FrameHeader& header);
  enum class Taken { kOrder, kFrame, kIncomplete, kBroken };
  Taken take(Order& order);
  void drop(size_t count);

  int socket_;
  uint32_t early_signal_ = 0;
  size_t skip_ = 0;  // Bytes still to come of a frame that is passed over.
  size_t size_ = 0;  // Of buffer_.
  std::array<std::byte, kBuffer> buffer_;
};

}  // namespace cloche::init
