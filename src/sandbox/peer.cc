#include "sandbox/peer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

namespace cloche::sandbox {
namespace {

constexpr size_t kReadBytes = 64 << 10;

Result<void> wait_for(int fd, short events) {
  pollfd wait{fd, events, 0};
  while (::poll(&wait, 1, -1) < 0)
    if (errno != EINTR) return fail(ErrorCode::kHost, "wait for the other end", errno);
  return {};
}

}  // namespace

Peer::Peer(Fd socket, uint32_t most_payload) : socket_(std::move(socket)), most_payload_(most_payload) {
  ::fcntl(socket_.get(), F_SETFL, ::fcntl(socket_.get(), F_GETFL) | O_NONBLOCK);
}

Result<std::optional<Frame>> Peer::receive() {
  for (;;) {
    if (auto frame = next()) return frame;
    TRY(wait_for(fd(), POLLIN));
    if (!TRY(fill())) return std::nullopt;
  }
}

Result<void> Peer::send(std::span<const std::byte> frame) {
  queue(frame);
  for (;;) {
    TRY(flush());
    if (unsent() == 0) return {};
    TRY(wait_for(fd(), POLLOUT));
  }
}

Result<void> Peer::send_error(int sys_errno, std::string what) {
  return send(wire::encode(wire::AgentFrame::kError, wire::AgentError{sys_errno, std::move(what)}));
}

Result<bool> Peer::fill() {
  in_.erase(in_.begin(), in_.begin() + static_cast<ptrdiff_t>(in_done_));
  in_done_ = 0;
  size_t old = in_.size();
  in_.resize(old + kReadBytes);
  ssize_t got;
  do {
    got = ::recv(fd(), in_.data() + old, kReadBytes, 0);
  } while (got < 0 && errno == EINTR);
  int error = errno;
  in_.resize(old + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (got > 0 || (got < 0 && error == EAGAIN)) return true;
  if (got == 0 || error == ECONNRESET) return false;
  return fail(ErrorCode::kHost, "read from the other end", error);
}

std::optional<Frame> Peer::next() {
  auto rest = std::span(in_).subspan(in_done_);
  if (wrong_ == nullptr) {
    wire::FrameHeader header;
    if (rest.size() < wire::FrameHeader::kSize) return std::nullopt;
    bool right =
        wire::decode_header(rest.first(wire::FrameHeader::kSize), header) && header.payload_size <= most_payload_;
    if (right) {
      if (rest.size() - wire::FrameHeader::kSize < header.payload_size) return std::nullopt;
      auto payload = rest.subspan(wire::FrameHeader::kSize, header.payload_size);
      in_done_ += wire::FrameHeader::kSize + payload.size();
      return Frame{static_cast<wire::AgentFrame>(header.type), {payload.begin(), payload.end()}};
    }
    bool huge = header.payload_size > wire::kMaxFrameBytes;
    wrong_ = huge                                  ? "a frame of more than 16 MiB"
             : header.payload_size > most_payload_ ? "too large a frame"
                                                   : "a damaged frame";
    wrong_type_ = static_cast<wire::AgentFrame>(header.type);
    skip_ = wire::FrameHeader::kSize + uint64_t{header.payload_size};
  }
  size_t skipped = std::min<uint64_t>(skip_, rest.size());
  in_done_ += skipped;
  skip_ -= skipped;
  if (skip_ > 0) return std::nullopt;
  return Frame{wrong_type_, {}, std::exchange(wrong_, nullptr)};
}

void Peer::queue(std::span<const std::byte> frame) {
  // What was sent goes, also where the other end is never quite done with it.
  if (out_done_ >= kReadBytes) {
    out_.erase(out_.begin(), out_.begin() + static_cast<ptrdiff_t>(out_done_));
    out_done_ = 0;
  }
  out_.insert(out_.end(), frame.begin(), frame.end());
}

Result<void> Peer::flush() {
  while (unsent() > 0) {
    ssize_t put = ::send(fd(), out_.data() + out_done_, unsent(), MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) return {};
    if (put < 0) return fail(ErrorCode::kHost, "write to the other end", errno);
    out_done_ += static_cast<size_t>(put);
  }
  out_.clear();
  out_done_ = 0;
  return {};
}

}  // namespace cloche::sandbox
