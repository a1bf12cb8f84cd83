#include "carrier/session.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "carrier/caller.h"

namespace cloche::carrier {
namespace {

constexpr int kPassed[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT, SIGWINCH};
constexpr size_t kMaxUnsent = 256 << 10;  // Input that the connection has not taken yet: beyond it no more is read.

bool deadly(int number) { return number == SIGHUP || number == SIGINT || number == SIGQUIT || number == SIGTERM; }

}  // namespace

Result<PassedSignals> PassedSignals::create() {
  PassedSignals made;
  sigset_t set;
  ::sigemptyset(&set);
  for (int number : kPassed) {
    struct sigaction action{};
    bool ignored = ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
    if (!ignored) ::sigaddset(&set, number);
  }
  int fd = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0) return fail_errno("receive signals");
  ::pthread_sigmask(SIG_BLOCK, &set, &made.before_);
  made.events_ = Fd(fd);
  return made;
}

PassedSignals::~PassedSignals() {
  if (events_) ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

int PassedSignals::take() const {
  signalfd_siginfo info;
  return ::read(events_.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

Result<void> Session::open_streams(const Request& request) {
  wake_ = TRY(EventFd::create());
  constexpr Stream kPipes[] = {Stream::kStdin, Stream::kStdout, Stream::kStderr};
  for (int fd : {1, 2})
    if (request.streams[fd] == StreamKind::kPipe)
      locals_[static_cast<size_t>(kPipes[fd])].output = TRY(Output::create(fd, *wake_));
  // A terminal is written through a descriptor that is open for it: stdout or stderr before stdin.
  for (int fd : {1, 2, 0}) {
    auto& local = locals_[static_cast<size_t>(Stream::kTerminal)];
    if (request.streams[fd] == StreamKind::kTerminal && !local.output) local.output = TRY(Output::create(fd, *wake_));
  }
  input_open_ = request.streams[0] != StreamKind::kClosed;
  if (request.streams[0] == StreamKind::kTerminal) {
    input_stream_ = Stream::kTerminal;
    terminal_.enter_raw();
  }
  return {};
}

Result<Exit> Session::run(const Request& request) {
  command_ = request.arguments[0];
  auto bytes = encode(request);
  if (bytes.size() > kMaxPayload) return fail(ErrorCode::kInvalidArgument, "arguments and environment are too long");
  TRY(open_streams(request));
  link_.trust();
  link_.send(MessageType::kRequest, bytes);
  TRY(link_.flush());
  while (!finished()) {
    // What was read before would be lost with a connection that nobody takes.
    bool reading = accepted_ && wants_input();
    pollfd polls[] = {{link_.fd(), static_cast<short>(link_.unsent() > 0 ? POLLIN | POLLOUT : POLLIN), 0},
                      {signals_.fd(), POLLIN, 0},
                      {wake_->fd(), POLLIN, 0},
                      {reading ? 0 : -1, POLLIN, 0}};
    if (exited_) polls[0].fd = -1;  // Its last word is said; what is left is to write it all down here.
    int ready = ::poll(polls, std::size(polls), exited_ ? -1 : static_cast<int>(silence_.count()));
    if (ready < 0 && errno != EINTR) return fail_errno("wait for the machine");
    if (ready == 0) TRY(ask_for_life());
    if (polls[1].revents != 0) pass_signals();
    if (polls[2].revents != 0) wake_->drain();
    pass_written();
    if (polls[3].revents != 0) read_input();
    if (!exited_) TRY(serve_link(polls[0].revents != 0));
  }
  terminal_.restore();
  return result();
}

bool Session::finished() const {
  if (!exited_) return false;
  return ended_by_ != 0 ||
         std::ranges::all_of(locals_, [](const Local& local) { return !local.output || local.output->idle(); });
}

Result<Exit> Session::result() const {
  if (ended_by_ != 0) return Exit{.signaled = true, .value = ended_by_, .problem = {}};
  auto value = static_cast<int>(exited_->value);
  std::string reason = ::strerror(value);
  switch (exited_->kind) {
    case ExitKind::kExited:
      return Exit{.value = value, .problem = {}};
    case ExitKind::kSignaled:
      return Exit{.signaled = true, .value = value, .problem = {}};
    case ExitKind::kNotFound:
      return Exit{.value = 127, .problem = fmt::format("run {} in the machine: {}", command_, reason)};
    case ExitKind::kNotRunnable:
      return Exit{.value = 126, .problem = fmt::format("run {} in the machine: {}", command_, reason)};
    case ExitKind::kFailed:
      break;
  }
  return Exit{.value = 125, .problem = fmt::format("run {} in the machine: {}: {}", command_, exited_->what, reason)};
}

// A machine that hangs keeps its connection: QEMU holds it.
Result<void> Session::ask_for_life() {
  if (unanswered_ == kMostUnanswered)
    return fail(ErrorCode::kTimeout, "the emulated computer does not answer: end it with `cloche machine stop`");
  ++unanswered_;
  link_.send(MessageType::kPing);
  return {};
}

Result<void> Session::serve_link(bool readable) {
  if (readable) {
    bool more = TRY(link_.fill());
    unanswered_ = 0;
    for (;;) {
      auto message = TRY(link_.next());
      if (!message) break;
      TRY(handle(*message));
    }
    if (!more && !exited_) return fail(ErrorCode::kHost, "the machine has gone");
  }
  return link_.flush();
}

Result<void> Session::handle(const Message& message) {
  Local& local = locals_[static_cast<size_t>(message.header.stream)];
  uint32_t number = 0;
  Exited exited;
  auto nonsense = [] { return fail(ErrorCode::kProtocol, "the machine's agent sent what it must not"); };
  switch (message.header.type) {
    case MessageType::kAccepted:
      accepted_ = true;
      return {};
    case MessageType::kMismatch:
      return fail(ErrorCode::kUnsupported,
                  "the running machine is of another version of cloche: end it with `cloche machine stop`");
    case MessageType::kData:
      if (!local.output || !local.window.accept(message.payload.size())) return nonsense();
      local.output->put(message.payload);
      return {};
    case MessageType::kEnd:
    case MessageType::kPong:
      return {};
    case MessageType::kClosed:
      input_open_ = false;
      return {};
    case MessageType::kCredit:
      if (!decode_number(message.payload, number) || !input_window_.grant(number)) return nonsense();
      return {};
    case MessageType::kStopped:
      stop_with_command();
      return {};
    case MessageType::kExited:
      if (!decode(message.payload, exited)) return nonsense();
      exited_ = std::move(exited);
      return {};
    default:
      return nonsense();
  }
}

bool Session::wants_input() const {
  if (!input_open_ || exited_ || input_window_.left() == 0 || link_.unsent() > kMaxUnsent) return false;
  return input_stream_ != Stream::kTerminal || terminal_.foreground();  // In the background reading it would stop us.
}

void Session::read_input() {
  std::array<std::byte, kMaxData> buffer;
  size_t most = std::min<size_t>(buffer.size(), input_window_.left());
  ssize_t got = ::read(0, buffer.data(), most);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got <= 0) {
    input_open_ = false;
    link_.send(MessageType::kEnd, {}, input_stream_);
    return;
  }
  input_window_.take(static_cast<uint32_t>(got));
  link_.send(MessageType::kData, std::span(buffer).first(static_cast<size_t>(got)), input_stream_);
}

void Session::pass_signals() {
  while (int number = signals_.take()) pass_signal(number);
}

void Session::pass_signal(int number) {
  if (exited_) {
    if (deadly(number)) ended_by_ = number;
    return;
  }
  if (number == SIGWINCH || number == SIGCONT) {
    if (number == SIGCONT && input_stream_ == Stream::kTerminal) terminal_.enter_raw();
    if (terminal_.present()) link_.send(MessageType::kResize, encode(terminal_.window()));
    if (number == SIGWINCH) return;  // The command gets it from its own terminal.
  }
  link_.send(MessageType::kSignal, encode_number(static_cast<uint32_t>(number)));
}

void Session::pass_written() {
  for (size_t i = 0; i < locals_.size(); ++i) {
    Local& local = locals_[i];
    if (!local.output) continue;
    auto stream = static_cast<Stream>(i);
    uint32_t credit = local.window.pass(local.output->take_written());
    if (exited_) continue;
    if (credit > 0) link_.send(MessageType::kCredit, encode_number(credit), stream);
    if (!local.told_closed && local.output->broken()) {
      local.told_closed = true;
      link_.send(MessageType::kClosed, {}, stream);
    }
  }
}

// Job control: the caller's shell must see that the job has stopped, with its terminal in order. SIGTSTP with its usual
// meaning does that, or nothing where there is no shell to continue us.
void Session::stop_with_command() {
  bool was_raw = terminal_.raw();
  terminal_.restore();
  sigset_t stop;
  ::sigemptyset(&stop);
  ::sigaddset(&stop, SIGTSTP);
  ::raise(SIGTSTP);
  ::pthread_sigmask(SIG_UNBLOCK, &stop, nullptr);  // Here it stops, until SIGCONT, which pass_signals() then finds.
  ::pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  if (was_raw) terminal_.enter_raw();
}

}  // namespace cloche::carrier
