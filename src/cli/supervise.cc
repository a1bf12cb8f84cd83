#include "cli/supervise.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "cli/say.h"

namespace cloche::cli {
namespace {

// The command may ignore being asked to end; the third time, its VM is ended.
constexpr int kMostRequests = 3;

class Supervisor {
 public:
  Supervisor(Vm& vm, const Signals& signals, const RawTerminal* terminal)
      : vm_(vm), signals_(signals), terminal_(terminal) {}

  Result<Outcome> run() {
    for (;;) {
      auto outcome = vm_.try_wait();
      if (!outcome) return std::unexpected(std::move(outcome).error());
      if (*outcome) return std::move(**outcome);
      std::array<pollfd, 2> wait{{{vm_.event_fd(), POLLIN, 0}, {signals_.fd(), POLLIN, 0}}};
      if (::poll(wait.data(), wait.size(), vm_.wait_ms()) < 0 && errno != EINTR)
        return fail(ErrorCode::kHost, "wait for the VM", errno);
      while (auto signal = signals_.next()) pass_on(*signal);
    }
  }

 private:
  void pass_on(int signal) {
    switch (signal) {
      case SIGCONT:
        if (terminal_ != nullptr) terminal_->apply();
        [[fallthrough]];
      case SIGWINCH:
        if (terminal_ != nullptr) check(vm_.resize(terminal_size(STDIN_FILENO)));
        return;
      case SIGINT:
      case SIGTERM:
        if (++requests_ >= kMostRequests) return check(vm_.kill());
        break;
      default:
        break;
    }
    check(vm_.signal(signal));
  }

  static void check(const Result<void>& result) {
    if (!result) say(result.error().message());
  }

  Vm& vm_;
  const Signals& signals_;
  const RawTerminal* terminal_;
  int requests_ = 0;
};

}  // namespace

Result<Outcome> supervise(Vm& vm, const Signals& signals, const RawTerminal* terminal) {
  return Supervisor(vm, signals, terminal).run();
}

}  // namespace cloche::cli
