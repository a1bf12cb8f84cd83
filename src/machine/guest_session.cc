#include "machine/guest_session.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>

namespace cloche {

GuestSession::~GuestSession() {
  if (socket_) loop_.unwatch(socket_.get());
}

Result<void> GuestSession::adopt(Fd socket) {
  if (adopted_) return fail(ErrorCode::kGuest, "a second control connection");
  adopted_ = true;
  socket_ = std::move(socket);
  TRY(loop_.watch(socket_.get(), EPOLLIN, [this](uint32_t events) {
    if ((events & EPOLLOUT) != 0) flush();
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) readable();
  }));
  flush();
  return {};
}

void GuestSession::send(std::vector<std::byte> frame) {
  if (ended_) return;
  if (unsent_.size() + frame.size() > kMaxUnsent) return give_up("it does not read its control connection");
  unsent_.insert(unsent_.end(), frame.begin(), frame.end());
  if (socket_) flush();
}

void GuestSession::flush() {
  size_t done = 0;
  while (done < unsent_.size()) {
    ssize_t put = ::send(socket_.get(), unsent_.data() + done, unsent_.size() - done, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) break;  // EAGAIN: later. Anything else: readable() sees the end.
    done += static_cast<size_t>(put);
  }
  unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<ptrdiff_t>(done));
  static_cast<void>(loop_.change(socket_.get(), unsent_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT));
}

void GuestSession::readable() {
  std::array<std::byte, 16384> buffer;
  ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return give_up("it closed its control connection");
  received_.insert(received_.end(), buffer.begin(), buffer.begin() + got);
  take_frames();
}

void GuestSession::take_frames() {
  while (!ended_ && received_.size() >= wire::FrameHeader::kSize) {
    wire::FrameHeader header;
    if (!wire::decode_header(std::span(received_).first(wire::FrameHeader::kSize), header))
      return give_up("it sent a frame with a bad header");
    size_t whole = wire::FrameHeader::kSize + header.payload_size;
    if (received_.size() < whole) return;
    frame(header, std::span(received_).subspan(wire::FrameHeader::kSize, header.payload_size));
    if (ended_) return;
    received_.erase(received_.begin(), received_.begin() + static_cast<ptrdiff_t>(whole));
  }
}

void GuestSession::frame(const wire::FrameHeader& header, std::span<const std::byte> payload) {
  if (header.type == wire::FrameType::kHello && !greeted_) {
    wire::Hello hello;
    if (!wire::decode(payload, hello)) return give_up("its greeting is damaged");
    if (hello.version != wire::kProtocolVersion) return give_up("its cloche-init is of another version");
    greeted_ = true;
    return events_.hello(hello);
  }
  if (header.type == wire::FrameType::kExited && greeted_) {
    wire::Exited exited;
    if (!wire::decode(payload, exited)) return give_up("its exit report is damaged");
    ended_ = true;
    return events_.exited(exited);
  }
  give_up("it sent a frame out of turn");
}

void GuestSession::give_up(std::string reason) {
  if (ended_) return;
  ended_ = true;
  // The socket stays open until the VM ends: closing it would make a live cloche-init power off before we know what
  // happened.
  loop_.unwatch(socket_.get());
  log_.warning("guest control connection: {}", reason);
  events_.broken(std::move(reason));
}

}  // namespace cloche
