// The part of Tsi that listens on the host for programs of the guest.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "devices/vsock/tsi.h"

namespace cloche::vsock {
namespace {

// Clients that are taken before the loop's other work gets its turn.
constexpr int kClientsPerEvent = 16;

// Out of descriptors or memory: some may be free again by then.
constexpr std::chrono::milliseconds kPause{200};

// A client that is gone by the time it is taken is no reason to stop (accept(2)).
bool is_of_client(int error) {
  return error == ECONNABORTED || error == EPROTO || error == EHOSTDOWN || error == EHOSTUNREACH || error == ENETDOWN ||
         error == ENETUNREACH || error == ENOPROTOOPT || error == EOPNOTSUPP || error == EINTR;
}

}  // namespace

void Tsi::listen(const TsiListen& message, uint32_t answer_to) {
  TsiSocket* socket = find(message.port);
  // EPERM, and EADDRINUSE and EADDRNOTAVAIL, tell the guest's kernel to let the socket listen within the guest.
  int error = socket == nullptr ? EPERM : begin_listen(*socket, message);
  if (error != 0 && socket != nullptr && socket->state == TsiState::kNew) socket->fd.reset();
  answer_result(TsiQuestion::kListen, answer_to, error);
}

int Tsi::begin_listen(TsiSocket& socket, const TsiListen& message) {
  if (socket.type != SOCK_STREAM || message.guest_port != socket.port) return EINVAL;
  uint32_t backlog = std::clamp<uint32_t>(message.backlog, 1, kMostWaiting);
  if (socket.state == TsiState::kListening) {
    socket.backlog = backlog;
    watch_clients(socket);
    return 0;
  }
  auto address = TsiAddress::read(socket.family, message.address);
  if (!address || socket.state != TsiState::kNew) return EINVAL;
  if (socket.family != AF_UNIX) {
    socket.guest_port = address->port();
    if (int error = publish(*address); error != 0) return error;
  }
  if (int error = open_socket(socket); error != 0) return error;
  int on = 1, off = 0;
  if (socket.family == AF_UNIX) {
    auto bound = bind_unix_socket(options_.directories, *address, socket.fd.get(), SOCK_STREAM);
    // What is not within its reach on the host is so in the guest.
    if (!bound) return bound.error().sys_errno == EACCES ? EPERM : bound.error().sys_errno;
    socket.name = std::move(*bound);
  } else {
    // Connections of an earlier listener may linger. Not SO_REUSEPORT: two VMs would share the port.
    ::setsockopt(socket.fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (socket.family == AF_INET6) ::setsockopt(socket.fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (::bind(socket.fd.get(), address->get(), address->size()) < 0) return errno == EACCES ? EPERM : errno;
  }
  if (::listen(socket.fd.get(), static_cast<int>(backlog)) < 0) return errno;
  socket.state = TsiState::kListening;
  socket.backlog = backlog;
  watch_clients(socket);
  return 0;
}

// The guest's address turns into the host's; 0 or an errno.
int Tsi::publish(TsiAddress& address) const {
  auto published = std::ranges::find(options_.ports, address.port(), &TsiPort::guest_port);
  if (published != options_.ports.end()) {
    address.set_port(published->host_port);
    bool is_for_itself = address.is_loopback() && !address.is_unspecified();
    if (!is_for_itself) address.set_ipv4(published->address);
    return 0;
  }
  // The guest's kernel has chosen a port of its own for 0, and we are not told which.
  return options_.publishes_all && address.port() != 0 ? 0 : EPERM;
}

void Tsi::accept(const TsiAccept& message, uint32_t answer_to) {
  TsiSocket* socket = find(message.port);
  if (socket == nullptr || socket->state != TsiState::kListening)
    return answer_result(TsiQuestion::kAccept, answer_to, EINVAL);
  if (socket->waiting > 0) {
    --socket->waiting;
    watch_clients(*socket);
    return answer_result(TsiQuestion::kAccept, answer_to, 0);
  }
  socket->may_wait = (message.flags & O_NONBLOCK) == 0;
  // A stream of which the guest has said yes, and we were not told yet, is there: a program that waits for the next one
  // by edges would wait for ever.
  if (!socket->may_wait && socket->coming == 0) return answer_result(TsiQuestion::kAccept, answer_to, EAGAIN);
  socket->is_accepting = true;
  socket->answer_to = answer_to;
}

void Tsi::take_clients(TsiSocket& socket) {
  for (int taken = 0; taken < kClientsPerEvent && socket.coming + socket.waiting < socket.backlog; ++taken) {
    Fd client(::accept4(socket.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client && is_of_client(errno)) continue;
    if (!client && errno == EAGAIN) break;
    Result<Fd> copy = client ? client.duplicate() : Result<Fd>(fail_errno("accept"));
    if (!copy) {
      log_.debug("tsi: {}", copy.error().message());
      unwatch(socket);
      socket.pause = loop_.at(EventLoop::Clock::now() + kPause, [this, &socket] {
        socket.pause.reset();
        watch_clients(socket);
      });
      return;
    }
    ++socket.coming;
    // The listener may be gone by then, and its port another's.
    device_.connect(socket.port, {.input = std::move(*copy), .output = std::move(client)},
                    [this, listener = std::weak_ptr(sockets_.at(socket.port))](const Result<void>& result) {
                      if (auto still = listener.lock()) came(*still, result.has_value());
                    });
  }
  watch_clients(socket);
}

void Tsi::came(TsiSocket& socket, bool established) {
  --socket.coming;
  if (established) ++socket.waiting;
  bool is_over = socket.waiting > 0 || (!socket.may_wait && socket.coming == 0);
  if (socket.is_accepting && is_over) {
    socket.is_accepting = false;
    answer_result(TsiQuestion::kAccept, socket.answer_to, socket.waiting > 0 ? 0 : EAGAIN);
    if (socket.waiting > 0) --socket.waiting;
  }
  watch_clients(socket);
}

// As long as the guest has room for one.
void Tsi::watch_clients(TsiSocket& socket) {
  if (socket.coming + socket.waiting >= socket.backlog)
    unwatch(socket);
  else if (!socket.pause)
    watch(socket, EPOLLIN, &Tsi::take_clients);
}

}  // namespace cloche::vsock
