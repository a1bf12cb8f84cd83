// Signals as something to wait for.
#include "cloche/foreground.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

namespace cloche {

Result<Signals> Signals::create() {
  sigset_t held;
  ::sigemptyset(&held);
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT}) {
    struct sigaction now{};
    if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) ::sigaddset(&held, signal);
  }
  if (::sigprocmask(SIG_BLOCK, &held, nullptr) < 0) return fail(ErrorCode::kHost, "hold signals back", errno);
  int fd = ::signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) return fail(ErrorCode::kHost, "wait for signals", errno);
  return Signals(fd);
}

Signals::~Signals() {
  if (fd_ >= 0) ::close(fd_);
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
