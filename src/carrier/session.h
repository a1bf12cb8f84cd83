// The caller's side of one command in the machine: its descriptors, terminal and signals on one hand, the connection on
// the other.
#pragma once

#include <signal.h>

#include <array>
#include <chrono>
#include <optional>

#include "carrier/carrier.h"
#include "carrier/link.h"
#include "carrier/output.h"
#include "carrier/terminal.h"

namespace cloche::carrier {

// Blocks, while it lives, the signals that are passed on to the command, and hands them out through a descriptor.
// Signals that the caller ignores (nohup, a background job of a plain shell) stay ignored.
class PassedSignals {
 public:
  static Result<PassedSignals> create();
  PassedSignals(PassedSignals&&) = default;
  PassedSignals& operator=(PassedSignals&&) = delete;
  ~PassedSignals();
  int fd() const { return events_.get(); }
  // The next one, 0: none.
  int take() const;

 private:
  PassedSignals() = default;
  Fd events_;
  sigset_t before_{};
};

class Session {
 public:
  // After this long without a word the machine is asked whether it is there; kMostUnanswered times in vain, and it is
  // given up: three minutes, which no busy host needs.
  static constexpr std::chrono::milliseconds kSilence{30'000};
  static constexpr int kMostUnanswered = 6;

  // `link` has sent its token. Nothing is done to the terminal before run().
  Session(Link link, Terminal& terminal, const PassedSignals& signals, std::chrono::milliseconds silence = kSilence)
      : link_(std::move(link)), terminal_(terminal), signals_(signals), silence_(silence) {}

  // Sends the request and serves it to its end. Until accepted() the command has certainly not run. kTimeout when the
  // machine does not answer.
  Result<Exit> run(const Request& request);
  bool accepted() const { return accepted_; }

 private:
  struct Local {  // Machine -> one of the caller's descriptors.
    std::optional<Output> output;
    ReceiveWindow window;
    bool told_closed = false;
  };

  Result<void> open_streams(const Request& request);
  Result<void> serve_link(bool readable);
  Result<void> ask_for_life();
  Result<void> handle(const Message& message);
  void read_input();
  bool wants_input() const;
  void pass_signals();
  void pass_signal(int number);
  void pass_written();
  void stop_with_command();
  bool finished() const;
  Result<Exit> result() const;

  Link link_;
  Terminal& terminal_;
  const PassedSignals& signals_;
  std::chrono::milliseconds silence_;
  int unanswered_ = 0;  // Questions since the last word from the machine.
  std::optional<EventFd> wake_;
  std::array<Local, kStreams> locals_;
  Stream input_stream_ = Stream::kStdin;
  bool input_open_ = false;
  SendWindow input_window_;
  bool accepted_ = false;
  std::optional<Exited> exited_;
  int ended_by_ = 0;  // A signal that came when the command had ended already.
  std::string command_;
};

}  // namespace cloche::carrier
