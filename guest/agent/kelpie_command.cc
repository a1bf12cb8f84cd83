#include "guest/agent/kelpie_command.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "guest/agent/exec.h"
#include "guest/init/failure.h"

namespace cloche::agent {
namespace {

using init::failed;
using wire::AgentFrame;

// The host's half of a kExec, held with a process of ours that serves it.
class Conversation {
 public:
  Conversation(Fd socket, int client, std::string_view input)
      : peer_(std::move(socket)), client_(client), input_(input) {}

  Result<KelpieOutcome> hold(bool has_input) {
    if (has_input) send_input();
    while (!ended_) {
      auto to_server = static_cast<short>(peer_.unsent() > 0 ? POLLIN | POLLOUT : POLLIN);
      pollfd polls[] = {{peer_.fd(), to_server, 0}, {client_, POLLRDHUP, 0}};
      if (::poll(polls, std::size(polls), -1) < 0 && errno != EINTR) return failed("wait for a command");
      if (polls[1].revents != 0) return failed("run a command for a host that is gone", ECONNRESET);
      if (polls[0].revents == 0) continue;
      static_cast<void>(peer_.flush());  // A command may end without its input; then its end is what there is to read.
      bool open = TRY(peer_.fill());
      while (auto frame = peer_.next()) take(*frame);
      if (!open && !ended_) return failed("run a command: the process that serves it is gone", ECHILD);
    }
    return std::move(outcome_);
  }

 private:
  // As much as may be underway; an empty frame ends it.
  void send_input() {
    while (window_ > 0 && !input_ended_) {
      size_t part = std::min({input_.size(), window_, size_t{wire::kMaxDataBytes}});
      peer_.queue(wire::encode_text(AgentFrame::kInput, input_.substr(0, part)));
      input_.remove_prefix(part);
      window_ -= part;
      input_ended_ = part == 0;
    }
  }
  static void keep(std::string& kept, bool& cut, std::span<const std::byte> bytes) {
    size_t room = kMostKelpieOutput - kept.size();
    cut = cut || bytes.size() > room;
    kept.append(reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), room));
  }
  void take(const Frame& frame) {
    uint32_t taken = 0;
    switch (frame.type) {
      case AgentFrame::kOutput:
        return keep(outcome_.output, outcome_.output_cut, frame.payload);
      case AgentFrame::kErrorOutput:
        return keep(outcome_.error, outcome_.error_cut, frame.payload);
      case AgentFrame::kInputTaken:
        if (wire::decode_number(frame.payload, taken)) window_ += taken;
        send_input();
        return static_cast<void>(peer_.flush());
      case AgentFrame::kEnded:
        ended_ = wire::decode_message(frame.payload, outcome_.ended);
        return;
      default:
        return;
    }
  }

  Peer peer_;
  int client_;
  std::string_view input_;
  size_t window_ = wire::kInputWindow;
  bool input_ended_ = false;
  bool ended_ = false;
  KelpieOutcome outcome_;
};

}  // namespace

Result<KelpieOutcome> run_for_kelpie(int client, const wire::Exec& exec, std::string_view input,
                                     const std::string& groups) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return failed("create a socket pair");
  Fd ours(ends[0]), servers(ends[1]);
  pid_t server = ::fork();
  if (server < 0) return failed("start a process");
  if (server == 0) {
    ours.reset();
    ::close(client);  // What it leaves running must not hold it open.
    {
      Peer peer(std::move(servers));
      Groups own(groups);
      static_cast<void>(serve_exec(peer, exec, own));
    }
    ::_exit(0);
  }
  servers.reset();
  auto outcome = Conversation(std::move(ours), client, input).hold(exec.has_input);
  ::waitpid(server, nullptr, 0);  // Where the host is gone, our end is closed by now, and the command ends.
  return outcome;
}

}  // namespace cloche::agent
