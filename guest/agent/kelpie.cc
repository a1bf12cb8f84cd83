#include "guest/agent/kelpie.h"

#include <linux/vm_sockets.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "guest/init/failure.h"

namespace cloche::agent {
namespace {

using namespace std::chrono_literals;
using init::failed;

constexpr int kWaiting = 128;
constexpr unsigned kMostServers = 128;  // Each costs a process; more connections wait in the kernel.
// Kelpie's own guest gives up after this many; we go on, and seldom, as the host's program may come later.
constexpr unsigned kQuickTries = 30;
constexpr auto kQuick = 100ms;
constexpr auto kSlow = 1s;

sockaddr_vm address_of(uint32_t cid) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = wire::kKelpiePort;
  return address;
}

Result<Fd> listen_to_host() {
  Fd socket(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_vm address = address_of(VMADDR_CID_ANY);
  if (!socket || ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 ||
      ::listen(socket.get(), kWaiting) < 0)
    return failed("listen on kelpie's vsock port");
  return socket;
}

// Each connection has a process of its own, so that none can hold up or take down another one.
pid_t start_server(Fd& connection, const KelpieService& service, Fd* listener) {
  pid_t pid = ::fork();
  if (pid != 0) return pid;
  if (listener != nullptr) listener->reset();
  serve_kelpie(std::move(connection), service);
  ::_exit(0);
}

[[noreturn]] void accept_all(Fd listener, const KelpieService& service) {
  unsigned servers = 0;
  sigset_t none;
  ::sigemptyset(&none);
  for (;;) {
    // The end of a server comes as SIGCHLD, which is blocked everywhere else.
    pollfd wait{servers < kMostServers ? listener.get() : -1, POLLIN, 0};
    ::ppoll(&wait, 1, nullptr, &none);
    while (servers > 0 && ::waitpid(-1, nullptr, WNOHANG) > 0) --servers;
    if (servers >= kMostServers) continue;
    sockaddr_vm from{};
    socklen_t size = sizeof from;
    Fd connection(::accept4(listener.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC));
    // Only the host may ask; a program in the guest gets here where the kernel has vsock's loopback.
    if (!connection || from.svm_cid != VMADDR_CID_HOST) continue;
    if (start_server(connection, service, &listener) > 0) ++servers;
  }
}

Fd connect_to_host() {
  Fd socket(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_vm address = address_of(VMADDR_CID_HOST);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) return Fd();
  return socket;
}

[[noreturn]] void connect_for_ever(const KelpieService& service) {
  for (unsigned tries = 0;; ++tries) {
    if (Fd connection = connect_to_host()) {
      pid_t server = start_server(connection, service, nullptr);
      connection.reset();
      if (server > 0) ::waitpid(server, nullptr, 0);
      tries = 0;
    }
    if (tries < kQuickTries)
      std::this_thread::sleep_for(kQuick);
    else
      std::this_thread::sleep_for(kSlow);
  }
}

// The host ends the guest then as it always does.
void say_shut_down() { static_cast<void>(write_full(STDOUT_FILENO, std::as_bytes(std::span(wire::kAgentShutsDown)))); }

}  // namespace

Result<void> begin_kelpie(sandbox::Peer& peer, KelpieSide side, const wire::Exec& defaults, const std::string& groups) {
  Fd listener;
  if (side == KelpieSide::kListen) listener = TRY(listen_to_host());
  pid_t pid = ::fork();
  if (pid < 0) return failed("start a process");
  if (pid > 0) return {};
  peer.close();
  KelpieService service{defaults, groups, say_shut_down};
  if (side == KelpieSide::kConnect) connect_for_ever(service);
  accept_all(std::move(listener), service);
}

}  // namespace cloche::agent
