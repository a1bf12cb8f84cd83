// The process of one VM as its starter sees it: commands to it, reports from it, and its end.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "api/plan.h"
#include "base/fd.h"
#include "cloche/vm.h"

namespace cloche {

// One thread. Destroying it kills the process and reaps it.
class VmProcess {
 public:
  VmProcess(Config config, Plan plan, std::string program);
  VmProcess(const VmProcess&) = delete;
  VmProcess& operator=(const VmProcess&) = delete;
  ~VmProcess();

  // As in cloche/vm.h.
  Result<void> start();
  Result<Outcome> wait();
  Result<std::optional<Outcome>> try_wait();
  int event_fd() const { return socket_.get(); }
  int wait_ms() const;
  Result<void> signal(int number);
  Result<void> resize(TerminalSize size);
  Result<void> pause();
  Result<void> resume();
  Result<void> kill();

  // The stretch before start() that make_plan() took.
  void add_phase(TimedPhase phase) { phases_.push_back(std::move(phase)); }

 private:
  using Clock = std::chrono::steady_clock;
  enum class State : uint8_t { kPlanned, kRunning, kEnded };

  Result<void> send_config();
  Result<void> send_command(std::span<const std::byte> frame);
  // Sends a command without a payload and waits for its answer.
  Result<void> ask(wire::VmmFrame command, wire::VmmFrame answer);
  bool said_last_word() const { return ended_ || failed_ || !broken_.empty(); }
  // Both answer whether the process has said its last word.
  bool receive();
  bool take_frames();
  bool take_frame(wire::VmmFrame type, std::span<const std::byte> payload);
  bool break_off();
  void started();
  Result<Outcome> finish();
  Outcome outcome_of(std::optional<int> wait_status);
  void kill_process() const;
  std::optional<int> reap();
  void log(Verbosity verbosity, std::string_view line) const;

  Config config_;
  Plan plan_;
  std::string program_;
  State state_ = State::kPlanned;
  pid_t pid_ = -1;
  Fd socket_;
  std::vector<std::byte> received_;
  std::optional<wire::Ended> ended_;
  std::optional<Error> failed_;
  std::optional<std::pair<wire::VmmFrame, std::string>> answer_;  // The latest, with what it says of a failure.
  std::string broken_;                                            // What it said that it must not.
  std::optional<Clock::time_point> deadline_;                     // When we stop trusting it to end by itself.
  bool overdue_ = false;
  bool stopping_ = false;
  std::vector<TimedPhase> phases_;
};

}  // namespace cloche
