// The part of Tsi that connects from the host.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "devices/vsock/tsi.h"

namespace cloche::vsock {

void Tsi::connect(const TsiConnect& message, uint32_t answer_to) {
  TsiSocket* socket = find(message.port);
  // create() has no answer of its own: here the guest hears that it had no success.
  if (socket == nullptr)
    return answer_result(TsiQuestion::kConnect, answer_to, sockets_.size() >= kMostSockets ? ENOBUFS : ECONNREFUSED);
  socket->answer_to = answer_to;
  // A program that a signal took out of its connect() asks again: what it then hears is the answer to the first
  // question.
  if (socket->state == TsiState::kConnecting || socket->state == TsiState::kConnected) return;
  auto address = TsiAddress::read(socket->family, message.address);
  int error = EINVAL;
  if (address && socket->state != TsiState::kListening) error = begin_connect(*socket, *address);
  if (error == EINPROGRESS) {
    socket->state = TsiState::kConnecting;
    return watch(*socket, EPOLLOUT, &Tsi::finish_connect);
  }
  if (socket->type == SOCK_STREAM && socket->state != TsiState::kListening) {
    socket->state = error == 0 ? TsiState::kConnected : TsiState::kNew;
    if (error != 0) socket->fd.reset();
  }
  answer_result(TsiQuestion::kConnect, answer_to, error);
}

int Tsi::begin_connect(TsiSocket& socket, TsiAddress address) {
  // A datagram socket keeps its name on the host when it is connected.
  if (socket.type == SOCK_STREAM || !socket.fd) {
    if (int error = open_socket(socket); error != 0) return error;
  }
  TsiUnixPlace place;
  const sockaddr* to = address.get();
  socklen_t size = address.size();
  if (socket.family == AF_UNIX) {
    auto found = find_unix_socket(options_.directories, address);
    if (!found) return found.error().sys_errno;
    place = std::move(*found);
    to = reinterpret_cast<const sockaddr*>(&place.address);
    size = place.size;
  } else if (int error = lead(address, socket.type); error != 0) {
    return error;
  }
  if (::connect(socket.fd.get(), to, size) < 0) return errno;
  if (socket.type == SOCK_DGRAM) {
    socket.state = TsiState::kDatagrams;
    if (!socket.readable) watch(socket, EPOLLIN, &Tsi::on_datagrams);
  }
  return 0;
}

void Tsi::finish_connect(TsiSocket& socket) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket.fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) < 0) error = errno;
  unwatch(socket);
  socket.state = error == 0 ? TsiState::kConnected : TsiState::kNew;
  if (error != 0) socket.fd.reset();
  answer_result(TsiQuestion::kConnect, socket.answer_to, error);
}

// What listens in the guest by TSI listens on the host in truth, perhaps by another number: that is where it is to be
// found at the guest's own loopback, whatever else of the host's there is at its loopback.
int Tsi::lead(TsiAddress& address, int type) const {
  if (!address.is_loopback()) return 0;
  for (const auto& [port, listener] : sockets_) {
    if (type != SOCK_STREAM || listener->state != TsiState::kListening || listener->family != address.family() ||
        listener->guest_port != address.port())
      continue;
    auto own = TsiAddress::name_of(listener->fd.get());
    if (!own) continue;
    if (own->is_unspecified())
      address.set_port(own->port());
    else
      address = *own;
    return 0;
  }
  return options_.reaches_loopback ? 0 : ECONNREFUSED;
}

}  // namespace cloche::vsock
