// A connection to the process of a running sandbox (wire/control.h).
#pragma once

#include <chrono>
#include <string>

#include "base/fd.h"
#include "wire/control.h"

namespace cloche::sandbox {

using Clock = std::chrono::steady_clock;

class ControlClient {
 public:
  // kUnavailable: it has no process.
  static Result<ControlClient> connect(const std::string& run_directory);

  // Errors are the process's refusal, or kTimeout.
  Result<void> ask(wire::ControlFrame type, Clock::time_point deadline);
  Result<void> ask(wire::ControlFrame type, uint32_t number, Clock::time_point deadline);
  // Waits until the process is gone; false where it is still there at the deadline.
  Result<bool> wait_for_end(Clock::time_point deadline);
  // After a kAgent.
  Fd release() { return std::move(socket_); }

 private:
  explicit ControlClient(Fd socket) : socket_(std::move(socket)) {}
  Result<void> converse(std::span<const std::byte> request, Clock::time_point deadline);
  Result<void> receive(std::span<std::byte> to, Clock::time_point deadline);
  Fd socket_;
};

// Whether `fd` has one of `events` before the deadline.
Result<bool> wait_for(int fd, short events, Clock::time_point deadline);

}  // namespace cloche::sandbox
