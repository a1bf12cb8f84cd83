#include "devices/net/datagram.h"

#include <sys/socket.h>

#include <cstring>

#include "devices/net/unix_socket.h"

namespace cloche::net {
namespace {

constexpr char kMagic[] = {'V', 'F', 'K', 'T'};
constexpr int kSendBuffer = 7 << 20;  // A hundred of the largest frames. The kernel caps it where we are not root.

}  // namespace

void grow_buffers(int socket) {
  int wanted = kSendBuffer;
  // Without privilege up to net.core.wmem_max, silently.
  if (::setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) < 0)
    static_cast<void>(::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted));
}

Result<void> Datagram::greet(int socket) {
  if (::send(socket, kMagic, sizeof kMagic, MSG_NOSIGNAL) != sizeof kMagic)
    return fail_errno("greet the network's peer");
  return {};
}

Result<Datagram> Datagram::connect(const std::string& path, const std::string& own_path, Greeting greeting) {
  Datagram made(TRY(unix_socket(SOCK_DGRAM)));
  TRY(bind_to(made.socket_, own_path));
  TRY(connect_to(made.socket_, path));
  if (greeting == Greeting::kVfkit) TRY(greet(made.fd()));
  grow_buffers(made.fd());
  return made;
}

Received Datagram::receive(std::span<std::byte> to) {
  ssize_t got;
  do {
    got = ::recv(fd(), to.data() + sizeof(Header), to.size() - sizeof(Header), MSG_DONTWAIT | MSG_TRUNC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return {errno == EAGAIN || errno == ENOBUFS ? Moved::kLater : Moved::kGone};
  std::memset(to.data(), 0, sizeof(Header));
  size_t size = sizeof(Header) + static_cast<size_t>(got);
  return {size > to.size() ? Moved::kDropped : Moved::kDone, size};
}

Moved Datagram::send(std::span<const std::byte> packet) {
  std::span<const std::byte> frame = packet.subspan(sizeof(Header));
  ssize_t put;
  do {
    put = ::send(fd(), frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (put < 0 && errno == EINTR);
  if (put >= 0) return Moved::kDone;
  if (errno == EAGAIN) return Moved::kLater;
  // No memory for it now, or too large for the socket's buffer: a network loses frames.
  if (errno == ENOBUFS || errno == EMSGSIZE) return Moved::kDropped;
  return Moved::kGone;
}

}  // namespace cloche::net
