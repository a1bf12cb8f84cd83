#include "devices/net/stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>

#include "devices/net/unix_socket.h"

namespace cloche::net {

Result<Stream> Stream::connect(const std::string& path) {
  Fd socket = TRY(unix_socket(SOCK_STREAM));
  TRY(connect_to(socket, path));
  return Stream(std::move(socket));
}

// Of the frame at begin_; meaningless where not all of it is there.
size_t Stream::next_length() const {
  size_t length = 0;
  for (size_t i = 0; i < kLength; ++i) length = length << 8 | static_cast<size_t>(in_[begin_ + i]);
  return length;
}

bool Stream::has_received() const {
  if (received() < kLength) return false;
  size_t length = next_length();
  return length > kMostFrame || received() - kLength >= length;
}

// One read: the loop's other users want their turn.
Moved Stream::fill() {
  if (in_.empty()) in_.resize(kBuffer);
  if (begin_ != 0) std::memmove(in_.data(), in_.data() + begin_, received());
  end_ = received();
  begin_ = 0;
  ssize_t got;
  do {
    got = ::recv(socket_.get(), in_.data() + end_, in_.size() - end_, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EAGAIN) return Moved::kLater;
  if (got <= 0) return Moved::kGone;
  end_ += static_cast<size_t>(got);
  return Moved::kDone;
}

Received Stream::receive(std::span<std::byte> to) {
  if (!has_received()) {
    if (Moved filled = fill(); filled != Moved::kDone) return {filled};
    if (!has_received()) return {Moved::kLater};
  }
  size_t length = next_length();
  // Where the next frame begins is not known any more.
  if (length > kMostFrame) return {Moved::kGone};
  begin_ += kLength;
  size_t size = sizeof(Header) + length;
  std::memset(to.data(), 0, sizeof(Header));
  std::memcpy(to.data() + sizeof(Header), in_.data() + begin_, length);
  begin_ += length;
  return {Moved::kDone, size};
}

bool Stream::collect() {
  if (received() == kBuffer) return false;
  return fill() != Moved::kGone && received() < kBuffer;  // Who is gone is found out behind what came before.
}

Moved Stream::send(std::span<const std::byte> packet) {
  std::span<const std::byte> frame = packet.subspan(sizeof(Header));
  if (out_.size() + kLength + frame.size() > kBuffer) {
    if (Moved flushed = flush(); flushed != Moved::kDone) return flushed;
  }
  for (size_t i = 0; i < kLength; ++i) out_.push_back(static_cast<std::byte>(frame.size() >> 8 * (kLength - 1 - i)));
  if (frame.size() >= kLarge) return send_with_held(frame);
  out_.insert(out_.end(), frame.begin(), frame.end());
  return Moved::kDone;
}

// In one call with what is held, its length at the end of that. What the socket does not take is held.
Moved Stream::send_with_held(std::span<const std::byte> frame) {
  size_t held = out_.size() - sent_;
  iovec parts[] = {{out_.data() + sent_, held}, {const_cast<std::byte*>(frame.data()), frame.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = std::size(parts);
  ssize_t put;
  do {
    put = ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (put < 0 && errno == EINTR);
  if (put < 0 && errno != EAGAIN && errno != ENOBUFS) return Moved::kGone;
  size_t taken = put < 0 ? 0 : static_cast<size_t>(put);
  if (taken < held) {
    sent_ += taken;
  } else {
    out_.clear();
    sent_ = 0;
    frame = frame.subspan(taken - held);
  }
  out_.insert(out_.end(), frame.begin(), frame.end());
  return Moved::kDone;
}

Moved Stream::flush() {
  while (sent_ < out_.size()) {
    ssize_t put = ::send(socket_.get(), out_.data() + sent_, out_.size() - sent_, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && (errno == EAGAIN || errno == ENOBUFS)) return Moved::kLater;
    if (put <= 0) return Moved::kGone;
    sent_ += static_cast<size_t>(put);
  }
  out_.clear();
  sent_ = 0;
  return Moved::kDone;
}

}  // namespace cloche::net
