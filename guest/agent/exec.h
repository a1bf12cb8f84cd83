// Runs one command for the host: its streams over the connection, its deadline, its end.
#pragma once

#include <poll.h>

#include <chrono>
#include <deque>
#include <optional>

#include "guest/agent/group.h"
#include "sandbox/peer.h"

namespace cloche::agent {

using sandbox::Frame;
using sandbox::Peer;

// Serves a kExec to its end; an error when the connection is gone, with the command's processes.
Result<void> serve_exec(Peer& peer, const wire::Exec& exec, Groups& groups);

// One command while it runs. Never waits for the host while the command or its deadline could be waiting.
class Execution {
 public:
  Execution(Peer& peer, const wire::Exec& exec, Group group) : peer_(peer), exec_(exec), group_(std::move(group)) {}
  ~Execution();
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  Result<void> run();

 private:
  using Clock = std::chrono::steady_clock;
  struct Stream {
    Fd fd;
    wire::AgentFrame type;
  };
  static constexpr size_t kPolls = 5;

  Result<void> open_streams();
  Result<void> open_terminal();
  Result<void> open_pipes();
  Result<void> start();
  Result<void> end(wire::ExecEnded ended);
  // Steps of the loop.
  std::array<pollfd, kPolls> wanted() const;
  int wait_ms() const;
  void keep_deadline();
  Result<void> hear();
  Result<void> obey_all();
  Result<void> obey(const Frame& frame);
  void take_input(std::span<const std::byte> bytes);
  void write_input();
  // Sends what the stream has, up to a limit; false when it has nothing now.
  bool pass_on(Stream& stream);
  Result<void> finish();
  void drain_for_others();

  Peer& peer_;
  const wire::Exec& exec_;
  Group group_;
  Fd theirs_[3];
  Fd terminal_, terminal_slave_;
  Fd input_;
  Stream output_{{}, wire::AgentFrame::kOutput}, error_{{}, wire::AgentFrame::kErrorOutput};
  std::vector<std::byte> unwritten_;  // Of the input; at most kInputWindow.
  bool input_ended_ = false;
  pid_t pid_ = -1;
  Fd handle_;  // A pidfd: readable when the command has ended.
  bool running_ = false;
  bool timed_out_ = false;
  std::optional<Clock::time_point> deadline_;  // Of the next signal.
};

}  // namespace cloche::agent
