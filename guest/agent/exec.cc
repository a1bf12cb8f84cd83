#include "guest/agent/exec.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "guest/init/failure.h"
#include "guest/init/process.h"

namespace cloche::agent {
namespace {

using init::failed;

constexpr char kEndOfFile = 4;           // Control-D, as a new terminal has it.
constexpr const char* kFirst = "0";      // For the kernel's memory killer, which takes us last (main.cc).
constexpr size_t kDrainBytes = 1 << 20;  // A pipe's contents: 64 KiB, or as much as the command asked for.

wire::Start to_start(const wire::Exec& exec) {
  wire::Start start;
  start.arguments = exec.arguments;
  start.environment = exec.environment;
  start.working_directory = exec.working_directory;
  start.uid = exec.uid;
  start.gid = exec.gid;
  start.limits = exec.limits;
  start.streams = exec.streams;
  start.has_stdin = exec.has_input;
  return start;
}

struct Ends {
  Fd read, write;
};

Result<Ends> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return failed("create a pipe");
  return Ends{Fd(ends[0]), Fd(ends[1])};
}

void set_nonblocking(const Fd& fd) { ::fcntl(fd.get(), F_SETFL, O_NONBLOCK); }

}  // namespace

Result<void> serve_exec(Peer& peer, const wire::Exec& exec, Groups& groups) {
  return Execution(peer, exec, groups.take()).run();
}

// Whatever the reason, a command that was not waited for goes.
Execution::~Execution() {
  if (!running_) return;
  group_.signal_all(SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

Result<void> Execution::run() {
  if (Result<void> opened = open_streams(); !opened)
    return end({wire::ExitKind::kFailed, static_cast<uint32_t>(opened.error().sys_errno), opened.error().what});
  TRY(start());
  if (running_) TRY(obey_all());  // What came right behind kExec.
  while (running_) {
    auto polls = wanted();
    if (::poll(polls.data(), polls.size(), wait_ms()) < 0 && errno != EINTR) return failed("wait for a command");
    keep_deadline();
    if (polls[0].revents != 0) TRY(hear());
    if (polls[0].revents != 0) TRY(peer_.flush());
    if (polls[1].revents != 0) write_input();
    if (polls[2].revents != 0) pass_on(output_);
    if (polls[3].revents != 0) pass_on(error_);
    if (polls[4].revents != 0) TRY(finish());
  }
  return {};
}

Result<void> Execution::open_streams() {
  return exec_.streams == wire::Streams::kTerminal ? open_terminal() : open_pipes();
}

Result<void> Execution::open_terminal() {
  terminal_ = Fd(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  int locked = 0;
  if (!terminal_ || ::ioctl(terminal_.get(), TIOCSPTLCK, &locked) < 0) return failed("open a terminal");
  winsize size{exec_.rows, exec_.columns, 0, 0};
  ::ioctl(terminal_.get(), TIOCSWINSZ, &size);
  terminal_slave_ = Fd(::ioctl(terminal_.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal_slave_) return failed("open a terminal");
  if (exec_.uid != 0) static_cast<void>(::fchown(terminal_slave_.get(), exec_.uid, static_cast<gid_t>(-1)));
  for (Fd& each : theirs_) each = TRY(terminal_slave_.duplicate());
  input_ = TRY(terminal_.duplicate());
  output_.fd = TRY(terminal_.duplicate());
  return {};
}

Result<void> Execution::open_pipes() {
  if (exec_.has_input) {
    Ends input = TRY(make_pipe());
    theirs_[0] = std::move(input.read);
    input_ = std::move(input.write);
    set_nonblocking(input_);
  } else {
    theirs_[0] = TRY(open_file("/dev/null", O_RDONLY));
  }
  for (Stream* stream : {&output_, &error_}) {
    Ends ends = TRY(make_pipe());
    stream->fd = std::move(ends.read);
    set_nonblocking(stream->fd);
    theirs_[stream == &output_ ? 1 : 2] = std::move(ends.write);
  }
  return {};
}

Result<void> Execution::start() {
  wire::Start start = to_start(exec_);
  auto pid = init::launch(start, {theirs_[0].get(), theirs_[1].get(), theirs_[2].get()}, init::kByName,
                          {group_.joining(), kFirst});
  for (Fd& each : theirs_) each.reset();
  if (!pid) return end({pid.error().kind, pid.error().value, pid.error().what});
  pid_ = *pid;
  running_ = true;
  group_.set_leader(pid_);
  handle_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!handle_) return failed("watch a command");
  if (exec_.timeout_ms != wire::Exec::kNoTimeout)
    deadline_ = Clock::now() + std::chrono::milliseconds(exec_.timeout_ms);
  peer_.queue(wire::encode_number(wire::AgentFrame::kExecuted, static_cast<uint64_t>(pid_)));
  return peer_.flush();
}

Result<void> Execution::end(wire::ExecEnded ended) { return peer_.send(wire::encode(wire::AgentFrame::kEnded, ended)); }

// Output is read only while none is waiting for the host: that is the back-pressure.
std::array<pollfd, Execution::kPolls> Execution::wanted() const {
  bool full = peer_.unsent() > 0;
  auto to_host = static_cast<short>(full ? POLLIN | POLLOUT : POLLIN);
  return {{{peer_.fd(), to_host, 0},
           {unwritten_.empty() ? -1 : input_.get(), POLLOUT, 0},
           {full ? -1 : output_.fd.get(), POLLIN, 0},
           {full ? -1 : error_.fd.get(), POLLIN, 0},
           {handle_.get(), POLLIN, 0}}};
}

int Execution::wait_ms() const {
  if (!deadline_) return -1;
  auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - Clock::now());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, INT32_MAX));
}

void Execution::keep_deadline() {
  if (!deadline_ || Clock::now() < *deadline_) return;
  group_.signal_all(timed_out_ || exec_.grace_ms == 0 ? SIGKILL : SIGTERM);
  deadline_.reset();
  if (!timed_out_ && exec_.grace_ms > 0) deadline_ = Clock::now() + std::chrono::milliseconds(exec_.grace_ms);
  timed_out_ = true;
}

Result<void> Execution::hear() {
  bool open = TRY(peer_.fill());
  TRY(obey_all());
  if (!open) return failed("run a command for a host that is gone", ECONNRESET);
  return {};
}

Result<void> Execution::obey_all() {
  while (auto frame = peer_.next()) TRY(obey(*frame));
  return {};
}

Result<void> Execution::obey(const Frame& frame) {
  uint32_t number = 0;
  if (frame.wrong == nullptr) switch (frame.type) {
      case wire::AgentFrame::kInput:
        take_input(frame.payload);
        return {};
      case wire::AgentFrame::kSignal:
        if (!wire::decode_number(frame.payload, number)) break;
        group_.signal_leader(static_cast<int>(number));
        return {};
      case wire::AgentFrame::kResize: {
        winsize size{};
        if (!wire::decode_resize(frame.payload, size.ws_row, size.ws_col)) break;
        if (terminal_) ::ioctl(terminal_.get(), TIOCSWINSZ, &size);
        return {};
      }
      default:
        break;
    }
  peer_.queue(wire::encode(wire::AgentFrame::kError,
                           wire::AgentError{EPROTO, "a frame that a running command has no use for"}));
  return peer_.flush();
}

void Execution::take_input(std::span<const std::byte> bytes) {
  bool too_much = unwritten_.size() + bytes.size() > wire::kInputWindow;
  if (too_much)
    peer_.queue(
        wire::encode(wire::AgentFrame::kError, wire::AgentError{EPROTO, "more input than kInputWindow: it was cut"}));
  if (too_much || !input_ || input_ended_) bytes = {};
  if (bytes.empty()) input_ended_ = true;
  unwritten_.insert(unwritten_.end(), bytes.begin(), bytes.end());
  write_input();
}

void Execution::write_input() {
  size_t taken = 0;
  while (input_ && taken < unwritten_.size()) {
    ssize_t put = ::write(input_.get(), unwritten_.data() + taken, unwritten_.size() - taken);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) break;
    if (put < 0) {  // Nobody reads it any more: what is there and what comes is taken and dropped.
      taken = unwritten_.size();
      input_.reset();
      break;
    }
    taken += static_cast<size_t>(put);
  }
  unwritten_.erase(unwritten_.begin(), unwritten_.begin() + static_cast<ptrdiff_t>(taken));
  if (taken > 0) peer_.queue(wire::encode_number(wire::AgentFrame::kInputTaken, taken));
  if (!input_ended_ || !unwritten_.empty() || !input_) return;
  if (terminal_) static_cast<void>(!::write(input_.get(), &kEndOfFile, 1));
  input_.reset();
}

bool Execution::pass_on(Stream& stream) {
  std::array<std::byte, wire::kMaxDataBytes> buffer;
  ssize_t got = stream.fd ? ::read(stream.fd.get(), buffer.data(), buffer.size()) : 0;
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got <= 0) {  // Also EIO: nobody has the other side of a terminal.
    stream.fd.reset();
    return false;
  }
  peer_.queue(wire::encode_bytes(stream.type, std::span(buffer).first(static_cast<size_t>(got))));
  static_cast<void>(peer_.flush());  // Where the connection is gone, hear() finds out.
  return true;
}

// What the command left running would die of SIGPIPE at its next word, or stand still: so somebody goes on reading, a
// process of its own that ends with the last of them.
void Execution::drain_for_others() {
  std::array<pollfd, 2> pipes{{{output_.fd.get(), POLLIN, 0}, {error_.fd.get(), POLLIN, 0}}};
  bool others = std::ranges::any_of(pipes, [](const pollfd& each) { return each.fd >= 0; });
  pid_t child = others ? ::fork() : -1;
  if (child > 0) ::waitpid(child, nullptr, 0);
  if (child != 0) return;
  if (::fork() != 0) ::_exit(0);  // PID 1 takes note of its end, as we may be gone by then.
  peer_.close();
  input_.reset();
  std::array<std::byte, wire::kMaxDataBytes> buffer;
  while (std::ranges::any_of(pipes, [](const pollfd& each) { return each.fd >= 0; })) {
    if (::poll(pipes.data(), pipes.size(), -1) < 0) continue;
    for (pollfd& each : pipes)
      if (each.revents != 0 && ::read(each.fd, buffer.data(), buffer.size()) == 0) each.fd = -1;
  }
  ::_exit(0);
}

// The command has ended; what it wrote lies in the pipes. What it left running may go on, without the host reading it.
Result<void> Execution::finish() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  running_ = false;
  if (timed_out_) group_.signal_all(SIGKILL);
  terminal_slave_.reset();
  for (Stream* stream : {&output_, &error_})
    for (size_t passed = 0; passed < kDrainBytes && pass_on(*stream); passed += wire::kMaxDataBytes)
      TRY(peer_.send({}));
  if (exec_.streams == wire::Streams::kPipes) drain_for_others();
  bool signaled = WIFSIGNALED(status);
  auto value = static_cast<uint32_t>(signaled ? WTERMSIG(status) : WEXITSTATUS(status));
  return end({signaled ? wire::ExitKind::kSignaled : wire::ExitKind::kExited, value, {}, timed_out_});
}

}  // namespace cloche::agent
