// cloche-agent: what the host talks to in a sandbox. PID 1 starts it as its command; each of the host's connections is
// served by a process that has no other one meanwhile, so that none can hold up or take down another one. A process
// that has served one waits for the next: making a process costs more than a short command.
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <new>
#include <optional>

#include "guest/agent/serve.h"
#include "wire/agent.h"

namespace cloche::agent {
namespace {

constexpr int kWaiting = 128;         // Connections that the kernel accepts before we do.
constexpr size_t kMostServers = 512;  // Connections at once; more wait in the kernel. Each costs a process.
constexpr size_t kMostIdle = 2;       // Servers that wait for a connection.
constexpr const char* kGroups = "/sys/fs/cgroup";
constexpr int kGuestEnds = 77;              // How a server says that the guest is to end.
constexpr std::string_view kLast = "-900";  // For the kernel's memory killer. What we start gets an order of its own.

enum class Slot : uint8_t { kFree, kIdle, kBusy };

// What the servers do, in memory that they share with the process that starts them.
class Slots {
 public:
  static Slots* create() {
    void* memory = ::mmap(nullptr, sizeof(Slots), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : new (memory) Slots;
  }
  size_t count(Slot state) const {
    return static_cast<size_t>(std::ranges::count_if(states_, [&](const auto& each) { return each == state; }));
  }
  std::optional<size_t> find_free() const {
    auto found = std::ranges::find_if(states_, [](const auto& each) { return each == Slot::kFree; });
    return found == states_.end() ? std::nullopt : std::optional(static_cast<size_t>(found - states_.begin()));
  }
  void set(size_t slot, Slot state) { states_[slot] = state; }

 private:
  std::array<std::atomic<Slot>, kMostServers> states_{};
};

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

// Empty where another server was faster, or somebody asked who may not.
Fd accept_host(const Fd& listener) {
  pollfd wait{listener.get(), POLLIN, 0};
  ::poll(&wait, 1, -1);
  sockaddr_vm from{};
  socklen_t size = sizeof from;
  Fd connection(::accept4(listener.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC));
  return connection && is_from_host(from) ? std::move(connection) : Fd();
}

// A server's life. `more` tells the process that started us that nobody waits for connections any more.
int serve_all(const Fd& listener, const Fd& more, Slots& slots, size_t own) {
  Groups groups(kGroups);
  do {
    slots.set(own, Slot::kIdle);
    Fd connection;
    while (!connection) connection = accept_host(listener);
    slots.set(own, Slot::kBusy);
    uint64_t one = 1;
    if (slots.count(Slot::kIdle) == 0) static_cast<void>(!::write(more.get(), &one, sizeof one));
    if (serve(std::move(connection), groups) == Served::kGuest) return kGuestEnds;
  } while (slots.count(Slot::kIdle) < kMostIdle);
  return 0;
}

class Servers {
 public:
  Servers(Fd listener, Fd more, Slots& slots) : listener_(std::move(listener)), more_(std::move(more)), slots_(slots) {}

  // Returns when the host wants the guest to end.
  void run() {
    do {
      if (auto slot = slots_.find_free(); slot && slots_.count(Slot::kIdle) == 0) start(*slot);
      wait();
    } while (!reap());
  }

 private:
  void start(size_t slot) {
    slots_.set(slot, Slot::kIdle);
    pid_t pid = ::fork();
    if (pid == 0) ::_exit(serve_all(listener_, more_, slots_, slot));
    if (pid < 0) slots_.set(slot, Slot::kFree);
    pids_[slot] = pid;
  }

  // The end of a server comes as SIGCHLD: blocked everywhere else, none is missed. Where none could be started, some
  // memory may come free.
  void wait() {
    sigset_t none;
    ::sigemptyset(&none);
    pollfd woken{more_.get(), POLLIN, 0};
    timespec again{1, 0};
    bool in_want = slots_.count(Slot::kIdle) == 0;
    uint64_t times;
    if (::ppoll(&woken, 1, in_want ? &again : nullptr, &none) > 0)
      static_cast<void>(!::read(more_.get(), &times, sizeof times));
  }

  // Takes the status of each server that has ended; whether one of them said that the guest is to end.
  bool reap() {
    int status = 0;
    bool ends = false;
    for (pid_t pid; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      auto found = std::ranges::find(pids_, pid);
      if (found == pids_.end()) continue;
      *found = 0;
      slots_.set(static_cast<size_t>(found - pids_.begin()), Slot::kFree);
      ends = ends || (WIFEXITED(status) && WEXITSTATUS(status) == kGuestEnds);
    }
    return ends;
  }

  Fd listener_, more_;
  Slots& slots_;
  std::array<pid_t, kMostServers> pids_{};
};

void set_kill_order() {
  auto file = open_file("/proc/self/oom_score_adj", O_WRONLY);
  if (file) static_cast<void>(write_full(file->get(), std::as_bytes(std::span(kLast))));
}

int run() {
  set_kill_order();
  Fd listener = listen_to_host(), more(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  Slots* slots = Slots::create();
  if (!listener || !more || slots == nullptr) return 1;
  // Nobody has to guess when it may connect.
  if (!write_full(STDOUT_FILENO, std::as_bytes(std::span(wire::kAgentListens)))) return 1;
  Servers(std::move(listener), std::move(more), *slots).run();
  return 0;
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
