// cloche-agent: what the host talks to in a sandbox. PID 1 starts it as its command; each of the host's connections is
// served by a process of its own, so that none can hold up or take down another one.
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "guest/agent/serve.h"
#include "wire/agent.h"

namespace cloche::agent {
namespace {

constexpr int kWaiting = 128;           // Connections that the kernel accepts before we do.
constexpr unsigned kMostServers = 512;  // Connections at once; more wait in the kernel. Each costs a process.
constexpr const char* kGroups = "/sys/fs/cgroup";
constexpr int kGuestEnds = 77;  // How a server says that the guest is to end.

Fd listen_to_host() {
  Fd socket(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = VMADDR_CID_ANY;
  address.svm_port = wire::kAgentPort;
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 ||
      ::listen(socket.get(), kWaiting) < 0)
    return Fd();
  return socket;
}

// Only the host may ask: a program in the guest reaches this port as well where the kernel has vsock's loopback.
bool is_from_host(const sockaddr_vm& address) { return address.svm_cid == VMADDR_CID_HOST; }

// Takes the status of each server that has ended; whether one of them said that the guest is to end.
bool guest_ends(unsigned& servers) {
  int status = 0;
  bool ends = false;
  while (::waitpid(-1, &status, WNOHANG) > 0) {
    --servers;
    ends = ends || (WIFEXITED(status) && WEXITSTATUS(status) == kGuestEnds);
  }
  return ends;
}

// Waits for a connection or the end of a server, which comes as SIGCHLD: blocked everywhere else, none is missed.
void wait_for(int listener) {
  sigset_t none;
  ::sigemptyset(&none);
  pollfd wait{listener, POLLIN, 0};
  ::ppoll(&wait, 1, nullptr, &none);
}

int run() {
  Fd listener = listen_to_host();
  if (!listener) return 1;
  // Nobody has to guess when it may connect.
  if (!write_full(STDOUT_FILENO, std::as_bytes(std::span(wire::kAgentListens)))) return 1;
  unsigned servers = 0;
  for (;;) {
    wait_for(servers < kMostServers ? listener.get() : -1);
    if (guest_ends(servers)) return 0;
    if (servers >= kMostServers) continue;
    sockaddr_vm from{};
    socklen_t size = sizeof from;
    Fd connection(::accept4(listener.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC));
    if (!connection || !is_from_host(from)) continue;
    pid_t pid = ::fork();
    if (pid > 0) ++servers;
    if (pid != 0) continue;
    listener.reset();
    ::_exit(serve(std::move(connection), kGroups) == Served::kGuest ? kGuestEnds : 0);
  }
}

}  // namespace
}  // namespace cloche::agent

int main() {
  ::prctl(PR_SET_NAME, "cloche-agent");  // It was started from an open file, which has no name.
  // Handlers, so that commands do not inherit that a signal is ignored.
  struct sigaction nothing{};
  nothing.sa_handler = [](int) {};
  ::sigaction(SIGPIPE, &nothing, nullptr);
  ::sigaction(SIGCHLD, &nothing, nullptr);
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);
  return cloche::agent::run();
}
