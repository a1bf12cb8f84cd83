#include "sandbox/exec_client.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "base/printable.h"
#include "base/self_fd.h"

namespace cloche::sandbox {
namespace {

std::unexpected<Error> gone() { return fail(ErrorCode::kUnavailable, "the sandbox has ended"); }

}  // namespace

Result<void> send(Peer& peer, std::span<const std::byte> frame, Clock::time_point deadline) {
  peer.queue(frame);
  for (;;) {
    TRY(peer.flush());
    if (peer.unsent() == 0) return {};
    if (!TRY(wait_for(peer.fd(), POLLOUT, deadline)))
      return fail(ErrorCode::kTimeout, "the guest's agent takes nothing");
  }
}

Result<Frame> receive(Peer& peer, Clock::time_point deadline) {
  for (;;) {
    if (auto frame = peer.next()) {
      if (frame->wrong != nullptr)
        return fail(ErrorCode::kGuest, std::string("the guest's agent sent ") + frame->wrong);
      return std::move(*frame);
    }
    if (!TRY(wait_for(peer.fd(), POLLIN, deadline)))
      return fail(ErrorCode::kTimeout, "the guest's agent does not answer");
    if (!TRY(peer.fill())) return gone();
  }
}

Result<Peer> greet_agent(const std::string& run_directory, Clock::time_point deadline) {
  ControlClient control = TRY(ControlClient::connect(run_directory));
  TRY(control.ask(wire::ControlFrame::kAgent, deadline));
  Peer peer(control.release());
  Frame frame = TRY(receive(peer, deadline));
  wire::Welcome welcome;
  if (frame.type != wire::AgentFrame::kWelcome || !wire::decode_message(frame.payload, welcome))
    return fail(ErrorCode::kGuest, "the guest's agent did not say welcome");
  if (welcome.version != wire::kAgentVersion)
    return fail(ErrorCode::kProtocol, fmt::format("the guest's agent speaks version {}, we {}: restart the sandbox",
                                                  welcome.version, wire::kAgentVersion));
  return peer;
}

OutputEnd::OutputEnd(int fd, Callback callback) : fd_(fd), callback_(std::move(callback)) {
  struct stat status{};
  bool can_wait = fd >= 0 && ::fstat(fd, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode));
  if (can_wait) own_ = Fd(::open(self_fd_path(fd).c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

void OutputEnd::take(std::span<const std::byte> bytes) {
  if (callback_) return callback_(bytes);
  if (fd_ < 0) return;
  unwritten_.insert(unwritten_.end(), bytes.begin(), bytes.end());
  write_some();
}

void OutputEnd::write_some() {
  while (has_unwritten()) {
    auto rest = std::span(unwritten_).subspan(done_);
    pollfd ready{fd(), POLLOUT, 0};
    if (::poll(&ready, 1, 0) == 0) return;
    // Where the description is not our own, a pipe that is ready takes so much without blocking.
    ssize_t put = own_ ? ::write(fd(), rest.data(), rest.size())
                       : ::send(fd(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put < 0 && errno == ENOTSOCK) put = ::write(fd(), rest.data(), std::min<size_t>(rest.size(), PIPE_BUF));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) return;
    if (put < 0) {
      fd_ = -1;
      own_.reset();
      break;
    }
    done_ += static_cast<size_t>(put);
  }
  unwritten_.clear();
  done_ = 0;
}

}  // namespace cloche::sandbox

namespace cloche {
namespace {

using sandbox::Frame;
using wire::AgentFrame;

constexpr size_t kReadBytes = wire::kMaxDataBytes;
constexpr uint32_t kMostSignals = 64;

ExecOutcome lost(LostReason reason, std::string text) {
  return {.status = {EndedBy::kLost, 0, reason}, .text = std::move(text)};
}

ExecOutcome outcome_of(const wire::ExecEnded& ended) {
  std::string what = printable(ended.what), why = ::strerror(static_cast<int>(ended.value & 0xfff));
  ExecOutcome outcome;
  switch (ended.kind) {
    case wire::ExitKind::kExited:
      outcome.status = {EndedBy::kExit, static_cast<int>(ended.value & 0xff), LostReason::kNone};
      break;
    case wire::ExitKind::kSignaled:
      outcome.status = {EndedBy::kSignal, static_cast<int>(std::min(ended.value, kMostSignals)), LostReason::kNone};
      break;
    case wire::ExitKind::kNotFound:
      return lost(LostReason::kNotFound, what + ": not found in the guest");
    case wire::ExitKind::kNotRunnable:
      return lost(LostReason::kNotExecutable, fmt::format("{}: cannot be executed in the guest: {}", what, why));
    case wire::ExitKind::kFailed:
      return lost(LostReason::kSetupFailed, fmt::format("prepare the command: {}: {}", what, why));
  }
  outcome.timed_out = ended.timed_out;
  return outcome;
}

}  // namespace

ExecClient::ExecClient(sandbox::Peer peer, ExecConfig config)
    : peer_(std::move(peer)),
      config_(std::move(config)),
      output_(config_.streams.output, config_.on_output),
      error_(config_.streams.error, config_.on_error),
      input_open_(config_.input == Input::kCarried) {}

Result<std::unique_ptr<ExecClient>> ExecClient::start(sandbox::Peer peer, const wire::Exec& exec, ExecConfig config,
                                                      sandbox::Clock::time_point deadline) {
  std::unique_ptr<ExecClient> client(new ExecClient(std::move(peer), std::move(config)));
  std::vector<std::byte> frame = wire::encode(AgentFrame::kExec, exec);
  if (frame.size() > wire::kMaxFrameBytes)
    return fail(ErrorCode::kInvalidArgument, "arguments and environment: together larger than 16 MiB");
  TRY(sandbox::send(client->peer_, frame, deadline));
  while (!client->executed_ && !client->ended_) {
    Frame answer = TRY(sandbox::receive(client->peer_, deadline));
    TRY(client->take_frame(answer));
  }
  return client;
}

std::unique_ptr<ExecClient> ExecClient::attach(sandbox::Peer peer, ExecConfig config, Attaching attaching) {
  std::unique_ptr<ExecClient> client(new ExecClient(std::move(peer), std::move(config)));
  client->executed_ = true;
  client->ends_input_ = attaching.ends_input;
  client->keys_ = sandbox::DetachKeys(std::move(attaching.detach_keys));
  return client;
}

Result<std::optional<ExecOutcome>> ExecClient::serve(int until) {
  TRY(take_frames());  // What came together with kExecuted: no poll() would tell of it.
  for (;;) {
    bool full = output_.has_unwritten() || error_.has_unwritten();
    if (ended_ && !full) return std::optional(*ended_);
    if (is_detached() && peer_.unsent() == 0) return std::nullopt;
    // With output that its reader does not take yet, no more is read: so the command waits as well.
    std::array<pollfd, 5> polls{{
        {peer_.fd(), static_cast<short>((full ? 0 : POLLIN) | (peer_.unsent() > 0 ? POLLOUT : 0)), 0},
        {output_.has_unwritten() ? output_.fd() : -1, POLLOUT, 0},
        {error_.has_unwritten() ? error_.fd() : -1, POLLOUT, 0},
        {can_read_input() ? config_.streams.input : -1, POLLIN, 0},
        {until, POLLIN, 0},
    }};
    if (full || ended_) polls[0].fd = peer_.unsent() > 0 && !ended_ ? polls[0].fd : -1;
    if (::poll(polls.data(), polls.size(), -1) < 0 && errno != EINTR) return fail_errno("wait for the command");
    if (polls[1].revents != 0) output_.write_some();
    if (polls[2].revents != 0) error_.write_some();
    if ((polls[0].revents & POLLOUT) != 0) TRY(peer_.flush());
    if ((polls[0].revents & ~POLLOUT) != 0) TRY(hear());
    if (polls[3].revents != 0) TRY(pass_input());
    // The end that came in the same moment is told at the top.
    bool ends_now = ended_ && !output_.has_unwritten() && !error_.has_unwritten();
    if (polls[4].revents != 0 && !ends_now) return std::nullopt;
  }
}

bool ExecClient::can_read_input() const {
  return input_open_ && window_ > keys_.held() && !ended_ && !is_detached() && peer_.unsent() < kReadBytes;
}

Result<void> ExecClient::take_frames() {
  while (auto frame = peer_.next()) {
    if (frame->wrong != nullptr) return fail(ErrorCode::kGuest, std::string("the guest's agent sent ") + frame->wrong);
    TRY(take_frame(*frame));
  }
  return {};
}

Result<void> ExecClient::hear() {
  bool open = TRY(peer_.fill());
  TRY(take_frames());
  if (!open && !ended_) return fail(ErrorCode::kUnavailable, "the sandbox has ended");
  return {};
}

Result<void> ExecClient::take_frame(const Frame& frame) {
  switch (frame.type) {
    case AgentFrame::kExecuted:
      executed_ = true;
      return {};
    case AgentFrame::kOutput:
      output_.take(frame.payload);
      return {};
    case AgentFrame::kErrorOutput:
      error_.take(frame.payload);
      return {};
    case AgentFrame::kInputTaken: {
      uint32_t count = 0;
      if (!wire::decode_number(frame.payload, count) || count > wire::kInputWindow - window_) break;
      window_ += count;
      return {};
    }
    case AgentFrame::kEnded: {
      wire::ExecEnded ended;
      if (!wire::decode_message(frame.payload, ended)) break;
      ended_ = outcome_of(ended);
      return {};
    }
    case AgentFrame::kError: {
      wire::AgentError error;
      if (!wire::decode_message(frame.payload, error)) break;
      return fail(ErrorCode::kGuest, printable(error.what), error.sys_errno & 0xfff);
    }
    default:
      break;
  }
  return fail(ErrorCode::kGuest, "the guest's agent sent what it must not");
}

Result<void> ExecClient::pass_input() {
  std::array<std::byte, kReadBytes> buffer;
  ssize_t got = ::read(config_.streams.input, buffer.data(), std::min<size_t>(buffer.size(), window_ - keys_.held()));
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return {};
  if (got <= 0) input_open_ = false;  // An error is the end, too: the command is told no more than that.
  std::string passed = keys_.pass(std::span(buffer).first(static_cast<size_t>(std::max<ssize_t>(got, 0))));
  if (got <= 0) passed = keys_.release();
  window_ -= static_cast<uint32_t>(passed.size());
  if (!passed.empty()) peer_.queue(wire::encode_text(AgentFrame::kInput, passed));
  if (got <= 0 && ends_input_) peer_.queue(wire::encode_text(AgentFrame::kInput, {}));
  return peer_.flush();
}

Result<void> ExecClient::signal(int number) {
  if (number < 1 || number > SIGRTMAX)
    return fail(ErrorCode::kInvalidArgument, fmt::format("signal {}: there is no such signal", number));
  peer_.queue(wire::encode_number(AgentFrame::kSignal, static_cast<uint64_t>(number)));
  return peer_.flush();
}

Result<void> ExecClient::resize(TerminalSize size) {
  peer_.queue(wire::encode_size(size.rows, size.columns));
  return peer_.flush();
}

}  // namespace cloche
