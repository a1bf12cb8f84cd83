#include "carrier/link.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>

namespace cloche::carrier {
namespace {

constexpr size_t kReadChunk = 128 << 10;

void wait_for(int fd, short events) {
  pollfd wait{fd, events, 0};
  ::poll(&wait, 1, -1);
}

}  // namespace

Result<Link> Link::create(Fd socket) {
  int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) < 0)
    return fail_errno("make a socket non-blocking");
  return Link(std::move(socket));
}

void Link::send(MessageType type, std::span<const std::byte> payload, Stream stream) {
  auto header = encode(Header{static_cast<uint32_t>(payload.size()), type, stream});
  out_.insert(out_.end(), header.begin(), header.end());
  out_.insert(out_.end(), payload.begin(), payload.end());
}

Result<void> Link::flush() {
  while (out_done_ < out_.size()) {
    ssize_t put = ::send(socket_.get(), out_.data() + out_done_, out_.size() - out_done_, MSG_NOSIGNAL);
    if (put < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) break;
      return fail_errno("send to the other side");
    }
    out_done_ += static_cast<size_t>(put);
  }
  if (out_done_ == out_.size()) {
    out_.clear();
    out_done_ = 0;
  } else if (out_done_ > kReadChunk) {
    out_.erase(out_.begin(), out_.begin() + static_cast<ptrdiff_t>(out_done_));
    out_done_ = 0;
  }
  return {};
}

Result<void> Link::flush_all() {
  for (;;) {
    TRY(flush());
    if (unsent() == 0) return {};
    wait_for(socket_.get(), POLLOUT);
  }
}

Result<bool> Link::fill() {
  in_.erase(in_.begin(), in_.begin() + static_cast<ptrdiff_t>(in_done_));
  in_done_ = 0;
  size_t before = in_.size();
  in_.resize(before + kReadChunk);
  ssize_t got;
  do {
    got = ::recv(socket_.get(), in_.data() + before, kReadChunk, 0);
  } while (got < 0 && errno == EINTR);
  int error = errno;
  in_.resize(before + static_cast<size_t>(got > 0 ? got : 0));
  if (got < 0 && error != EAGAIN) return fail_errno("receive from the other side", error);
  return got != 0;
}

Result<std::optional<Message>> Link::next() {
  auto rest = std::span<const std::byte>(in_).subspan(in_done_);
  if (rest.size() < Header::kSize) return std::nullopt;
  Message message;
  if (!decode(rest.first(Header::kSize), message.header) || message.header.payload_size > max_payload_)
    return fail(ErrorCode::kProtocol, "the other side sent what is no message");
  size_t whole = Header::kSize + message.header.payload_size;
  if (rest.size() < whole) return std::nullopt;
  message.payload = rest.subspan(Header::kSize, message.header.payload_size);
  in_done_ += whole;
  return message;
}

void Link::finish() {
  if (!flush_all()) return;
  ::shutdown(socket_.get(), SHUT_WR);
  std::array<std::byte, 4096> ignored;
  for (;;) {
    ssize_t got = ::recv(socket_.get(), ignored.data(), ignored.size(), 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return;
    if (got < 0) wait_for(socket_.get(), POLLIN);
  }
}

}  // namespace cloche::carrier
