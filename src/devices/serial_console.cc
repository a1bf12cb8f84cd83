#include "devices/serial_console.h"

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace cloche {

SerialConsole::SerialConsole(ConsolePort port, IrqLine* irq, EventLoop& loop, Log log)
    : loop_(loop),
      log_(std::move(log)),
      input_(std::move(port.input), loop),
      output_(std::move(port.output), loop),
      copy_(std::move(port.copy)),
      uart_([this](std::span<const std::byte> bytes) { return hear(bytes); }, irq,
            [this] { loop_.post([this] { serve_input(); }); }) {}

// --- From the guest ---

// On a vCPU's thread.
Serial::Room SerialConsole::hear(std::span<const std::byte> bytes) {
  std::lock_guard lock(mutex_);
  unsent_.insert(unsent_.end(), bytes.begin(), bytes.end());
  held_ += bytes.size();
  if (!std::exchange(posted_, true)) loop_.post([this] { serve_output(); });
  return held_ < kMostUnsent ? Serial::Room::kMore : Serial::Room::kFull;
}

void SerialConsole::collect() {
  std::lock_guard lock(mutex_);
  posted_ = false;
  if (copy_ && !unsent_.empty()) copy_(unsent_);
  sending_.insert(sending_.end(), unsent_.begin(), unsent_.end());
  unsent_.clear();
}

void SerialConsole::serve_output() {
  collect();
  output_.unwatch();
  bool all = send();
  {
    std::lock_guard lock(mutex_);
    held_ = sending_.size() + unsent_.size();
  }
  if (!all) return;
  uart_.drained();
  if (taken_) std::exchange(taken_, nullptr)();
}

// False: the host takes no more for now.
bool SerialConsole::send() {
  if (!output_) sending_.clear();
  if (sending_.empty()) return true;
  iovec piece{sending_.data(), sending_.size()};
  std::span<iovec> rest(&piece, 1);
  auto [size, error] = output_.write(rest);
  sending_.erase(sending_.begin(), sending_.begin() + static_cast<ptrdiff_t>(size));
  if (error == EAGAIN) {
    auto watched = output_.watch(EPOLLOUT, [this](uint32_t) { serve_output(); });
    if (watched) return false;
    log_.warning("serial console: {}", watched.error().message());
  } else if (error != 0) {
    log_.warning("serial console: the host takes no more of it: {}", std::generic_category().message(error));
  }
  if (!sending_.empty()) drop();
  return true;
}

void SerialConsole::drop() {
  output_.close();
  sending_.clear();
}

bool SerialConsole::flush(std::function<void()> taken) {
  serve_output();
  if (sending_.empty()) return true;
  taken_ = std::move(taken);
  return false;
}

// --- To the guest ---

void SerialConsole::serve_input() {
  input_.unwatch();
  while (input_ || !incoming_.empty()) {
    if (incoming_.empty() && !fill()) return;
    size_t taken = uart_.receive(incoming_);
    incoming_.erase(incoming_.begin(), incoming_.begin() + static_cast<ptrdiff_t>(taken));
    if (!incoming_.empty()) return;  // Until the guest wants it.
  }
}

// False: there is nothing now.
bool SerialConsole::fill() {
  std::array<std::byte, 16> bytes;
  iovec piece{bytes.data(), bytes.size()};
  auto [size, error] = input_.read(std::span(&piece, 1));
  if (size > 0) {
    incoming_.assign(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    return true;
  }
  if (error != EAGAIN) {
    input_.close();
    return false;
  }
  auto watched = input_.watch(EPOLLIN, [this](uint32_t) { serve_input(); });
  if (!watched) log_.warning("serial console: {}", watched.error().message());
  return false;
}

}  // namespace cloche
