// The part of Tsi that carries datagrams.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "devices/vsock/tsi.h"

namespace cloche::vsock {
namespace {

// Datagrams for the guest before the loop's other work gets its turn.
constexpr int kDatagramsPerEvent = 32;

// An error that an earlier datagram met comes as that of the next one, which is not sent then.
constexpr int kTries = 2;

}  // namespace

void Tsi::send_to(const TsiConnect& message) {
  TsiSocket* socket = find(message.port);
  if (socket == nullptr || socket->type != SOCK_DGRAM) return;
  socket->destination = TsiAddress::read(socket->family, message.address);
}

void Tsi::send(const Header& packet, const virtio::Chain& chain) {
  TsiSocket* socket = find(packet.src_port);
  if (socket == nullptr || socket->type != SOCK_DGRAM) return;
  bool is_named = packet.dst_port == static_cast<uint32_t>(TsiQuestion::kData);
  if (!socket->fd && (!is_named || open_socket(*socket) != 0)) return;
  TsiUnixPlace place;
  msghdr message{};
  if (is_named) {
    if (!socket->destination) return;
    TsiAddress& to = *socket->destination;
    // What the guest may not reach is lost, as datagrams are.
    if (socket->family == AF_UNIX) {
      auto found = find_unix_socket(options_.directories, to);
      if (!found) return;
      place = std::move(*found);
    } else if (lead(to, SOCK_DGRAM) != 0) {
      return;
    }
    bool is_unix = socket->family == AF_UNIX;
    // sendmsg() only reads it.
    message.msg_name = is_unix ? static_cast<void*>(&place.address) : const_cast<sockaddr*>(to.get());
    message.msg_namelen = is_unix ? place.size : to.size();
  }
  std::vector<iovec> pieces;
  for (std::span<const std::byte> span : chain.readable_from(kHeaderSize, packet.len))
    pieces.push_back({const_cast<std::byte*>(span.data()), span.size()});
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  for (int tries = 0; tries < kTries; ++tries)
    if (::sendmsg(socket->fd.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) break;
  // The host has given it a name by now, to which answers come.
  socket->state = TsiState::kDatagrams;
  if (!socket->readable) watch(*socket, EPOLLIN, &Tsi::on_datagrams);
}

// Not watched while it waits for its turn: with no buffer at hand its events would never end.
void Tsi::on_datagrams(TsiSocket& socket) {
  unwatch(socket);
  socket.readable = true;
  readable_.push_back(sockets_.at(socket.port));
  device_.serve_later();
}

Result<void> Tsi::send_datagrams(PacketWriter& writer) {
  for (int sent = 0; !readable_.empty() && TRY(writer.ready()); ++sent) {
    if (sent == kDatagramsPerEvent) {
      device_.serve_later();
      break;
    }
    SocketPointer socket = readable_.front().lock();
    readable_.pop_front();
    if (!socket) continue;
    if (forward_datagram(*socket, writer)) {
      readable_.push_back(socket);
      continue;
    }
    socket->readable = false;
    watch(*socket, EPOLLIN, &Tsi::on_datagrams);
  }
  return {};
}

// One, if there is one; false: there is none for now. One that is larger than the guest's buffer is dropped, for a
// packet is a datagram.
bool Tsi::forward_datagram(TsiSocket& socket, PacketWriter& writer) {
  std::vector<iovec> room = writer.packet_room();
  msghdr message{};
  message.msg_iov = room.data();
  message.msg_iovlen = room.size();
  ssize_t got = ::recvmsg(socket.fd.get(), &message, MSG_DONTWAIT);
  if (got < 0) return false;  // Or what an earlier datagram met, which is told once.
  if ((message.msg_flags & MSG_TRUNC) != 0)
    ++dropped_;
  else
    writer.send(header(TsiQuestion::kData, socket.port, static_cast<size_t>(got)));
  return true;
}

}  // namespace cloche::vsock
