#include "guest/init/supervisor.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "guest/init/saving.h"

namespace cloche::init {
namespace {

// Processes that wait for a device that has stopped cannot be killed. Nobody waits for them, once they had this long.
constexpr int kAskMs = 2000;

}  // namespace

Supervisor::End Supervisor::run(pid_t command) {
  command_ = command;
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  int children = ::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  if (!hear_orders()) return End::kHostGone;  // One may have overtaken Start.
  reap();
  while (!ended_ || !childless_ || !streams_.drained()) {
    std::array<pollfd, 2 + Streams::kPolls> polls;
    polls[0] = {control_.socket(), POLLIN, 0};
    polls[1] = {children, POLLIN, 0};
    auto of_streams = std::span(polls).last<Streams::kPolls>();
    streams_.want(of_streams);
    int ready = ::poll(polls.data(), polls.size(), ended_ ? kAskMs : -1);
    if (ready < 0) continue;
    if (ready == 0 && !streams_.has_unsent() && has_stopped("")) return End::kCommandEnded;
    if (polls[1].revents != 0) {
      signalfd_siginfo one;  // SIGCHLD does not queue up: reap() finds out who ended.
      [[maybe_unused]] ssize_t got = ::read(children, &one, sizeof one);
      reap();
    }
    if (polls[0].revents != 0 && !hear_orders()) return End::kHostGone;
    streams_.move(of_streams);
  }
  return End::kCommandEnded;
}

// False when the host is gone.
bool Supervisor::hear_orders() {
  Order order;
  for (;;) {
    Control::Heard heard = control_.hear(order);
    if (heard != Control::Heard::kOrder) return heard == Control::Heard::kNothing;
    if (order.kind == Order::Kind::kResize)
      streams_.resize(order.rows, order.columns);
    else
      send_signal(static_cast<int>(order.signal));
  }
}

// To the command's process group; on a terminal to the group in the foreground, as its keys would, and to the command.
void Supervisor::send_signal(int number) const {
  if (ended_) return;
  pid_t group = streams_.foreground_group();
  if (group <= 1 || group == command_) {
    ::kill(-command_, number);
    return;
  }
  ::kill(command_, number);  // First: it may end as soon as its job has.
  ::kill(-group, number);
}

// As PID 1 we inherit every orphan.
void Supervisor::reap() {
  int status = 0;
  pid_t pid;
  while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0)
    if (pid == command_) command_ended(status);
  childless_ = pid < 0 && errno == ECHILD;
}

void Supervisor::command_ended(int status) {
  ended_ = true;
  exited_.ended_ns = monotonic_ns();
  bool signaled = WIFSIGNALED(status);
  exited_.kind = signaled ? wire::ExitKind::kSignaled : wire::ExitKind::kExited;
  exited_.value = static_cast<uint32_t>(signaled ? WTERMSIG(status) : WEXITSTATUS(status));
  // Whatever it left running goes with it: the pipes' writing ends close, so that draining ends.
  ::kill(-1, SIGKILL);
  streams_.command_ended();
}

}  // namespace cloche::init
