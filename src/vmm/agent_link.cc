#include "vmm/agent_link.h"

#include <sys/epoll.h>
#include <sys/socket.h>

namespace cloche {
namespace {

constexpr size_t kReadBytes = 64 << 10;

}  // namespace

Result<std::unique_ptr<AgentLink>> AgentLink::create(EventLoop& loop, Fd socket, Events events) {
  std::unique_ptr<AgentLink> link(new AgentLink(loop, std::move(socket), std::move(events)));
  TRY(loop.watch(link->socket_.get(), EPOLLIN, [raw = link.get()](uint32_t what) { raw->on_event(what); }));
  return link;
}

AgentLink::~AgentLink() {
  if (socket_) loop_.unwatch(socket_.get());
}

void AgentLink::send(std::span<const std::byte> frame) {
  if (!socket_) return;
  unsent_.insert(unsent_.end(), frame.begin(), frame.end());
  flush();
}

void AgentLink::on_event(uint32_t events) {
  if ((events & EPOLLOUT) != 0) flush();
  if ((events & ~static_cast<uint32_t>(EPOLLOUT)) != 0 && socket_ && !receive()) close();
}

// One read a turn, so that a command that writes without end leaves the loop to others.
bool AgentLink::receive() {
  size_t had = received_.size();
  received_.resize(had + kReadBytes);
  ssize_t got = ::recv(socket_.get(), received_.data() + had, kReadBytes, MSG_DONTWAIT);
  bool nothing = got < 0 && (errno == EAGAIN || errno == EINTR);
  received_.resize(had + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  return nothing || (got > 0 && take_frames());
}

bool AgentLink::take_frames() {
  size_t done = 0;
  while (received_.size() - done >= wire::FrameHeader::kSize) {
    auto rest = std::span(received_).subspan(done);
    wire::FrameHeader header;
    if (!wire::decode_header(rest.first(wire::FrameHeader::kSize), header) || header.payload_size > kMostPayload)
      return false;
    size_t whole = wire::FrameHeader::kSize + header.payload_size;
    if (rest.size() < whole) break;
    events_.frame(static_cast<wire::AgentFrame>(header.type),
                  rest.subspan(wire::FrameHeader::kSize, header.payload_size));
    done += whole;
  }
  received_.erase(received_.begin(), received_.begin() + static_cast<ptrdiff_t>(done));
  return true;
}

void AgentLink::flush() {
  while (!unsent_.empty()) {
    ssize_t put = ::send(socket_.get(), unsent_.data(), unsent_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno != EAGAIN) unsent_.clear();  // It is gone, which receive() finds out.
    if (put < 0) break;
    unsent_.erase(unsent_.begin(), unsent_.begin() + put);
  }
  static_cast<void>(loop_.change(socket_.get(), unsent_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT));
}

void AgentLink::close() {
  loop_.unwatch(socket_.get());
  socket_.reset();
  events_.closed();
}

}  // namespace cloche
