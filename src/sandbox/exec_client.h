// One command in a sandbox as its caller sees it: the conversation with the guest's agent (wire/agent.h), and the
// caller's ends of the command's streams.
#pragma once

#include <optional>

#include "cloche/sandbox.h"
#include "sandbox/control_client.h"
#include "sandbox/detach_keys.h"
#include "sandbox/peer.h"
#include "wire/agent.h"

namespace cloche::sandbox {

// Opens a conversation with the agent: past its Welcome.
Result<Peer> greet_agent(const std::string& run_directory, Clock::time_point deadline);
Result<void> send(Peer& peer, std::span<const std::byte> frame, Clock::time_point deadline);
// Waits for its next frame. kUnavailable: the sandbox has ended.
Result<Frame> receive(Peer& peer, Clock::time_point deadline);

// Where a command's output goes: a descriptor that others use as well, never made non-blocking for them, and yet never
// waited for.
class OutputEnd {
 public:
  using Callback = std::function<void(std::span<const std::byte>)>;
  OutputEnd(int fd, Callback callback);

  void take(std::span<const std::byte> bytes);
  bool has_unwritten() const { return done_ < unwritten_.size(); }
  int fd() const { return own_ ? own_.get() : fd_; }
  // What can be written without waiting. Once nobody reads it any more, the rest is dropped: as for a command that
  // ignores SIGPIPE.
  void write_some();

 private:
  int fd_;
  Fd own_;  // An open file description of our own, non-blocking, where there can be one.
  Callback callback_;
  std::vector<std::byte> unwritten_;
  size_t done_ = 0;
};

}  // namespace cloche::sandbox

namespace cloche {

class ExecClient {
 public:
  // Sends `exec` and waits until it runs; why it does not is what serve() then says.
  static Result<std::unique_ptr<ExecClient>> start(sandbox::Peer peer, const wire::Exec& exec, ExecConfig config,
                                                   sandbox::Clock::time_point deadline);

  // For a command that runs already, of which `peer` tells as if it had been begun there (wire/control.h, kAttach).
  struct Attaching {
    bool ends_input = false;  // The command's input ends with the caller's.
    std::string detach_keys{};
  };
  static std::unique_ptr<ExecClient> attach(sandbox::Peer peer, ExecConfig config, Attaching attaching);

  // As in cloche/sandbox.h; empty as well when the detach keys were typed.
  Result<std::optional<ExecOutcome>> serve(int until);
  bool is_detached() const { return keys_.were_typed(); }
  Result<void> signal(int number);
  Result<void> resize(TerminalSize size);

 private:
  ExecClient(sandbox::Peer peer, ExecConfig config);
  bool can_read_input() const;
  Result<void> hear();
  Result<void> take_frames();
  Result<void> take_frame(const sandbox::Frame& frame);
  Result<void> pass_input();

  sandbox::Peer peer_;
  ExecConfig config_;
  sandbox::OutputEnd output_, error_;
  bool input_open_ = false;
  bool ends_input_ = true;
  sandbox::DetachKeys keys_{{}};
  uint32_t window_ = wire::kInputWindow;
  bool executed_ = false;
  std::optional<ExecOutcome> ended_;
};

}  // namespace cloche
