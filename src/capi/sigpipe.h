// SIGPIPE, which would end a program that writes a command's output where nobody reads any more.
#pragma once

#include <cerrno>
#include <csignal>
#include <ctime>

namespace cloche::capi {

// As long as there is one, this thread gets EPIPE alone. A SIGPIPE that was pending before stays so.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigset_t pending;
    ::sigemptyset(&sigpipe_);
    ::sigaddset(&sigpipe_, SIGPIPE);
    ::sigpending(&pending);
    was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;
  ~NoSigpipe() {
    // One that a write raises is its thread's, so that nobody else's is taken here.
    constexpr timespec kNow{};
    while (!was_pending_ && ::sigtimedwait(&sigpipe_, nullptr, &kNow) < 0 && errno == EINTR) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t sigpipe_, before_;
  bool was_pending_ = false;
};

}  // namespace cloche::capi
