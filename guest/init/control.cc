#include "guest/init/control.h"

#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cstring>

namespace cloche::init {
namespace {

void await(int socket, short events, int timeout_ms = -1) {
  pollfd wait{socket, events, 0};
  ::poll(&wait, 1, timeout_ms);
}

bool read_order(const wire::FrameHeader& header, std::span<const std::byte> payload, Order& order) {
  if (header.type == wire::FrameType::kSignal) {
    order.kind = Order::Kind::kSignal;
    return wire::decode_signal(payload, order.signal);
  }
  order.kind = Order::Kind::kResize;
  return header.type == wire::FrameType::kResize && wire::decode_resize(payload, order.rows, order.columns);
}

}  // namespace

uint64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

Result<void> Control::greet(uint64_t began_ns) {
  wire::Hello hello;
  hello.boot_ns = began_ns;
  return send(wire::encode(hello));
}

Result<void> Control::send(std::span<const std::byte> frame) {
  while (!frame.empty()) {
    ssize_t put = ::send(socket_, frame.data(), frame.size(), MSG_NOSIGNAL);
    if (put < 0 && errno != EAGAIN && errno != EINTR) return failed("write to the host");
    if (put < 0)
      await(socket_, POLLOUT);
    else
      frame = frame.subspan(static_cast<size_t>(put));
  }
  return {};
}

Result<void> Control::read_exactly(std::span<std::byte> to) {
  while (!to.empty()) {
    ssize_t got = ::recv(socket_, to.data(), to.size(), 0);
    if (got == 0) return failed("read from the host", ECONNRESET);
    if (got < 0 && errno != EAGAIN && errno != EINTR) return failed("read from the host");
    if (got < 0)
      await(socket_, POLLIN);
    else
      to = to.subspan(static_cast<size_t>(got));
  }
  return {};
}

Result<wire::Start> Control::receive_start() {
  std::array<std::byte, wire::FrameHeader::kSize> raw;
  wire::FrameHeader header;
  for (;;) {
    TRY(read_exactly(raw));
    if (!wire::decode_header(raw, header)) return failed("read Start from the host", EPROTO);
    if (header.type == wire::FrameType::kStart) break;
    TRY(skip_early(header));
  }
  std::vector<std::byte> payload(header.payload_size);
  TRY(read_exactly(payload));
  wire::Start start;
  if (!wire::decode(payload, start)) return failed("read Start from the host", EPROTO);
  return start;
}

// Someone may want the command to end before it has begun; a size is in Start anyway.
Result<void> Control::skip_early(const wire::FrameHeader& header) {
  std::array<std::byte, kBuffer> payload;
  if (header.payload_size > payload.size()) return failed("read Start from the host", EPROTO);
  auto bytes = std::span(payload).first(header.payload_size);
  TRY(read_exactly(bytes));
  Order order;
  if (read_order(header, bytes, order) && order.kind == Order::Kind::kSignal) early_signal_ = order.signal;
  return {};
}

Control::Heard Control::hear(Order& order) {
  if (early_signal_ != 0) {
    order = {.kind = Order::Kind::kSignal, .signal = early_signal_};
    early_signal_ = 0;
    return Heard::kOrder;
  }
  for (;;) {
    Taken taken = take(order);
    if (taken == Taken::kOrder) return Heard::kOrder;
    if (taken == Taken::kFrame) continue;
    if (taken == Taken::kBroken) return Heard::kHostGone;  // No frame can be found in what follows.
    ssize_t got = ::recv(socket_, buffer_.data() + size_, buffer_.size() - size_, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Heard::kNothing;
    if (got <= 0) return Heard::kHostGone;
    size_ += static_cast<size_t>(got);
  }
}

// Takes one frame out of the buffer. After kIncomplete the buffer has room: no frame in it is longer than it.
Control::Taken Control::take(Order& order) {
  size_t skipped = std::min(skip_, size_);
  skip_ -= skipped;
  drop(skipped);
  wire::FrameHeader header;
  if (size_ < wire::FrameHeader::kSize) return Taken::kIncomplete;
  if (!wire::decode_header(std::span(buffer_).first(wire::FrameHeader::kSize), header)) return Taken::kBroken;
  size_t whole = wire::FrameHeader::kSize + header.payload_size;
  if (whole > buffer_.size()) {
    skip_ = whole;
    return Taken::kFrame;
  }
  if (size_ < whole) return Taken::kIncomplete;
  auto payload = std::span(buffer_).subspan(wire::FrameHeader::kSize, header.payload_size);
  bool is_order = read_order(header, payload, order);
  drop(whole);
  return is_order ? Taken::kOrder : Taken::kFrame;
}

void Control::drop(size_t count) {
  size_ -= count;
  std::memmove(buffer_.data(), buffer_.data() + count, size_);
}

Result<void> Control::report(const wire::Exited& exited, int farewell_ms) {
  TRY(send(wire::encode(exited)));
  uint64_t until_ns = monotonic_ns() + static_cast<uint64_t>(farewell_ms) * 1'000'000;
  for (uint64_t now_ns; (now_ns = monotonic_ns()) < until_ns;) {
    await(socket_, POLLIN, static_cast<int>((until_ns - now_ns) / 1'000'000) + 1);
    ssize_t got = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) break;
  }
  return {};
}

}  // namespace cloche::init
