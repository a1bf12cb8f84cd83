// Signals as something to wait for.
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <vector>

#include "cloche/foreground.h"

namespace cloche {
namespace {

constexpr std::array kHeld{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};
constexpr size_t kMostWaiters = 64;

// The threads that wait. Each holds the signals back; another thread of the program's, which does not, may be the one
// that the kernel chooses, and hands on what it gets.
std::array<std::atomic<pid_t>, kMostWaiters> waiters;
static_assert(std::atomic<pid_t>::is_always_lock_free);  // A signal's handler reads them.

std::atomic<pid_t>* waiter_of(pid_t thread) {
  auto found = std::ranges::find_if(waiters, [thread](const std::atomic<pid_t>& other) { return other == thread; });
  return found == waiters.end() ? nullptr : &*found;
}

void hand_on(int signal) {
  int before = errno;
  for (const std::atomic<pid_t>& waiter : waiters)
    if (pid_t thread = waiter; thread != 0) ::tgkill(::getpid(), thread, signal);
  errno = before;
}

struct Taken {
  int signal;
  struct sigaction before;
};

// What the program did with these signals, while somebody waits.
struct Dispositions {
  std::mutex mutex;
  size_t waiting = 0;
  std::vector<Taken> taken;
};

Dispositions& dispositions() {
  static Dispositions the_dispositions;
  return the_dispositions;
}

sigset_t not_ignored() {
  sigset_t set;
  ::sigemptyset(&set);
  for (int signal : kHeld) {
    struct sigaction now{};
    if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) ::sigaddset(&set, signal);
  }
  return set;
}

bool begin_to_wait(const sigset_t& held) {
  std::scoped_lock lock(dispositions().mutex);
  std::atomic<pid_t>* free = waiter_of(0);
  if (free == nullptr) return false;
  *free = ::gettid();
  if (dispositions().waiting++ > 0) return true;
  struct sigaction handing{};
  handing.sa_handler = hand_on;
  handing.sa_flags = SA_RESTART | SA_ONSTACK;
  for (int signal : kHeld) {
    Taken one{.signal = signal, .before = {}};
    if (::sigismember(&held, signal) == 1 && ::sigaction(signal, &handing, &one.before) == 0)
      dispositions().taken.push_back(one);
  }
  return true;
}

void end_to_wait() {
  std::scoped_lock lock(dispositions().mutex);
  if (std::atomic<pid_t>* own = waiter_of(::gettid())) *own = 0;
  if (--dispositions().waiting > 0) return;
  for (const Taken& one : dispositions().taken) ::sigaction(one.signal, &one.before, nullptr);
  dispositions().taken.clear();
}

}  // namespace

Result<Signals> Signals::create() {
  sigset_t held = not_ignored(), before;
  int fd = ::signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) return fail(ErrorCode::kHost, "wait for signals", errno);
  int error = ::pthread_sigmask(SIG_BLOCK, &held, &before);
  if (error == 0 && begin_to_wait(held)) return Signals(fd, before);
  if (error == 0) ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::close(fd);
  return fail(ErrorCode::kHost, "hold signals back", error == 0 ? EAGAIN : error);
}

Signals::~Signals() {
  if (fd_ < 0) return;
  end_to_wait();
  ::close(fd_);
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

std::optional<int> Signals::next() const {
  signalfd_siginfo info{};
  ssize_t got;
  do {
    got = ::read(fd_, &info, sizeof info);
  } while (got < 0 && errno == EINTR);
  if (got != sizeof info) return std::nullopt;
  return static_cast<int>(info.ssi_signo);
}

}  // namespace cloche
