#include "api/vm_process.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <ctime>

#include "api/launch.h"
#include "api/monotonic.h"
#include "api/outcome.h"
#include "base/printable.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMaxReportBytes = 1 << 20;  // A report is a few KiB; a process that says more is not ours any more.
constexpr size_t kSendWithoutLimit =
    64 << 10;  // Fits into a socket's buffer: sending it never waits for the other side.
constexpr auto kConfigTimeout = 10s;
// The VM's process keeps the timeout itself. Ours, later, is for one that hangs: while it sets up, and while it runs.
constexpr auto kSetUpGrace = 10s;
constexpr auto kTimeoutGrace = 3s;
constexpr auto kStopGrace = 2s;
constexpr auto kAnswerGrace = 10s;  // A command is answered at once, but for one that comes while the VM is set up.
constexpr int kReapGraceMs = 2000;  // After its last word it only has to exit.

}  // namespace

VmProcess::VmProcess(Config config, Plan plan, std::string program)
    : config_(std::move(config)), plan_(std::move(plan)), program_(std::move(program)) {}

VmProcess::~VmProcess() {
  if (state_ != State::kRunning) return;
  kill_process();
  reap();
}

Result<void> VmProcess::start() {
  if (state_ != State::kPlanned) return fail(ErrorCode::kInvalidArgument, "start a VM that was started before");
  for (const std::string& note : plan_.notes) log(Verbosity::kWarning, note);
  plan_.vm.began_ns = monotonic_now_ns();
  LaunchedVmm launched = TRY(launch_vmm(program_, config_.streams, plan_.descriptors));
  pid_ = launched.pid;
  socket_ = std::move(launched.socket);
  state_ = State::kRunning;
  if (config_.timeout) deadline_ = Clock::now() + *config_.timeout + kSetUpGrace;
  return send_config();
}

Result<void> VmProcess::send_config() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  plan_.vm.start.realtime_ns = static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  std::vector<std::byte> frame = wire::encode(plan_.vm);
  if (frame.size() > wire::kMaxFrameBytes)
    return fail(ErrorCode::kInvalidArgument, "arguments, environment and injected files: together larger than 16 MiB");
  if (frame.size() > kSendWithoutLimit) {
    timeval limit{.tv_sec = std::chrono::seconds(kConfigTimeout).count(), .tv_usec = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  std::span<const std::byte> rest = frame;
  while (!rest.empty()) {
    ssize_t put = ::send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && (errno == EPIPE || errno == ECONNRESET)) return {};  // It is gone: wait() tells why.
    if (put < 0) return fail_errno("send the VM's configuration");
    rest = rest.subspan(static_cast<size_t>(put));
  }
  return {};
}

Result<void> VmProcess::send_command(std::span<const std::byte> frame) {
  if (state_ != State::kRunning) return fail(ErrorCode::kInvalidArgument, "command a VM that does not run");
  ssize_t put;
  do {
    put = ::send(socket_.get(), frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (put < 0 && errno == EINTR);
  // Gone: nothing is left to command, and wait() tells why. A stream socket takes a frame this small whole or not at
  // all.
  if (put >= 0 || errno == EPIPE || errno == ECONNRESET) return {};
  return fail_errno("command the VM's process");
}

Result<void> VmProcess::signal(int number) {
  if (number < 1 || number > SIGRTMAX)
    return fail(ErrorCode::kInvalidArgument, fmt::format("signal {}: there is no such signal", number));
  wire::Writer payload;
  payload.put(static_cast<uint32_t>(number));
  return send_command(wire::encode_frame(wire::VmmFrame::kSignal, std::move(payload)));
}

Result<void> VmProcess::resize(TerminalSize size) {
  wire::Writer payload;
  payload.put(size.rows);
  payload.put(size.columns);
  return send_command(wire::encode_frame(wire::VmmFrame::kResize, std::move(payload)));
}

Result<void> VmProcess::pause() {
  auto paused = ask(wire::VmmFrame::kPause, wire::VmmFrame::kPaused);
  return paused ? paused : std::unexpected(std::move(paused).error().in("pause the VM"));
}

Result<void> VmProcess::resume() {
  auto resumed = ask(wire::VmmFrame::kResume, wire::VmmFrame::kResumed);
  return resumed ? resumed : std::unexpected(std::move(resumed).error().in("resume the VM"));
}

Result<void> VmProcess::ask(wire::VmmFrame command, wire::VmmFrame answer) {
  TRY(send_command(wire::encode_frame(command)));
  answer_.reset();
  auto latest = Clock::now() + kAnswerGrace;
  // An answer to an earlier question, which came too late, is not the one.
  while (!answer_ || answer_->first != answer) {
    if (receive()) return fail(ErrorCode::kInvalidArgument, "it has ended");
    if (answer_ && answer_->first == answer) break;
    auto left = std::chrono::ceil<std::chrono::milliseconds>(latest - Clock::now()).count();
    if (left <= 0) return fail(ErrorCode::kTimeout, "its process does not answer");
    pollfd readable{socket_.get(), POLLIN, 0};
    if (::poll(&readable, 1, static_cast<int>(left)) < 0 && errno != EINTR)
      return fail_errno("wait for the VM's process");
  }
  if (!answer_->second.empty()) return fail(ErrorCode::kHost, answer_->second);
  return {};
}

Result<void> VmProcess::kill() {
  auto sent = send_command(wire::encode_frame(wire::VmmFrame::kStop));
  if (state_ != State::kRunning) return sent;
  stopping_ = true;
  auto latest = Clock::now() + kStopGrace;
  deadline_ = deadline_ ? std::min(*deadline_, latest) : latest;
  return {};  // Told or not, it ends at the deadline.
}

int VmProcess::wait_ms() const {
  if (said_last_word()) return 0;
  if (!deadline_) return -1;
  auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
}

Result<Outcome> VmProcess::wait() {
  for (;;) {
    auto outcome = TRY(try_wait());
    if (outcome) return std::move(*outcome);
    pollfd readable{socket_.get(), POLLIN, 0};
    if (::poll(&readable, 1, wait_ms()) < 0 && errno != EINTR) return fail_errno("wait for the VM's process");
  }
}

Result<std::optional<Outcome>> VmProcess::try_wait() {
  if (state_ != State::kRunning) return fail(ErrorCode::kInvalidArgument, "wait for a VM that does not run");
  if (receive()) return TRY(finish());
  if (!deadline_ || Clock::now() < *deadline_) return std::nullopt;
  overdue_ = true;
  kill_process();
  return TRY(finish());
}

bool VmProcess::receive() {
  if (said_last_word()) return true;
  std::array<std::byte, 16384> buffer;
  for (;;) {
    ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return false;
    if (got <= 0) return true;
    received_.insert(received_.end(), buffer.begin(), buffer.begin() + got);
    if (take_frames()) return true;
    // One that talks without end must not keep the caller from its other work.
    if (static_cast<size_t>(got) < buffer.size()) return false;
  }
}

bool VmProcess::take_frames() {
  size_t done = 0;
  bool last = false;
  while (!last && received_.size() - done >= wire::FrameHeader::kSize) {
    auto rest = std::span(received_).subspan(done);
    wire::FrameHeader header;
    if (!wire::decode_header(rest.first(wire::FrameHeader::kSize), header) || header.payload_size > kMaxReportBytes)
      return break_off();
    size_t whole = wire::FrameHeader::kSize + header.payload_size;
    if (rest.size() < whole) break;
    last = take_frame(static_cast<wire::VmmFrame>(header.type),
                      rest.subspan(wire::FrameHeader::kSize, header.payload_size));
    done += whole;
  }
  received_.erase(received_.begin(), received_.begin() + static_cast<ptrdiff_t>(done));
  return last;
}

bool VmProcess::take_frame(wire::VmmFrame type, std::span<const std::byte> payload) {
  switch (type) {
    case wire::VmmFrame::kStarted:
      started();
      return false;
    case wire::VmmFrame::kLog: {
      uint8_t level = 0;
      std::string line;
      if (!wire::decode_log(payload, level, line)) return break_off();
      log(static_cast<Verbosity>(std::min<uint8_t>(level, static_cast<uint8_t>(Verbosity::kDebug))), printable(line));
      return false;
    }
    case wire::VmmFrame::kPaused:
    case wire::VmmFrame::kResumed: {
      std::string failure;
      if (!wire::decode_answer(payload, failure)) return break_off();
      answer_.emplace(type, printable(failure));
      return false;
    }
    case wire::VmmFrame::kEnded: {
      wire::Ended ended;
      if (!wire::decode(payload, ended)) return break_off();
      ended_ = std::move(ended);
      return true;
    }
    case wire::VmmFrame::kFailed: {
      wire::Failed failed;
      if (!wire::decode(payload, failed) || failed.code > static_cast<uint8_t>(ErrorCode::kInternal))
        return break_off();
      failed_ = Error{static_cast<ErrorCode>(failed.code), failed.sys_errno, printable(failed.what)};
      return true;
    }
    default:
      return break_off();
  }
}

// It said what it must not: whoever speaks there, it is not a VM's process that works.
bool VmProcess::break_off() {
  broken_ = "the VM's process said what it must not, and was ended";
  kill_process();
  return true;
}

void VmProcess::started() {
  if (config_.timeout && !stopping_) deadline_ = Clock::now() + *config_.timeout + kTimeoutGrace;
}

Result<Outcome> VmProcess::finish() {
  uint64_t heard_ns = monotonic_now_ns();
  std::optional<int> wait_status = reap();
  state_ = State::kEnded;
  socket_.reset();
  if (failed_ && !overdue_) return std::unexpected(std::move(*failed_));
  Outcome outcome = outcome_of(wait_status);
  outcome.phases.insert(outcome.phases.begin(), phases_.begin(), phases_.end());
  outcome.phases.push_back({"free the VM", false, heard_ns, monotonic_now_ns()});
  return outcome;
}

Outcome VmProcess::outcome_of(std::optional<int> wait_status) {
  if (ended_) return make_outcome(std::move(*ended_));
  if (!broken_.empty()) return make_lost_outcome(LostReason::kVmmDied, broken_);
  if (!overdue_) return make_silent_outcome(wait_status);
  if (stopping_) return make_lost_outcome(LostReason::kStopped, "ended by force, as it did not stop when told to");
  return make_lost_outcome(LostReason::kTimeout,
                           fmt::format("timed out after {} ms, and ended by force", config_.timeout->count()));
}

// kill() of 0 or -1 would reach processes that are not ours.
void VmProcess::kill_process() const {
  assert(pid_ > 0);
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

// Waits for its end, which is near; sees to it where it is not. Empty when somebody else (a waitpid(-1)) took its
// status.
std::optional<int> VmProcess::reap() {
  Fd handle(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (handle) {
    pollfd gone{handle.get(), POLLIN, 0};
    int result;
    do {
      result = ::poll(&gone, 1, kReapGraceMs);
    } while (result < 0 && errno == EINTR);
    if (result == 0) kill_process();
  } else if (errno != ESRCH) {
    kill_process();  // Nothing to wait on with a limit; its last word was heard.
  }
  int status = 0;
  pid_t reaped;
  do {
    reaped = ::waitpid(pid_, &status, 0);
  } while (reaped < 0 && errno == EINTR);
  return reaped == pid_ ? std::optional(status) : std::nullopt;
}

void VmProcess::log(Verbosity verbosity, std::string_view line) const {
  if (config_.log && verbosity <= config_.verbosity) config_.log(verbosity, line);
}

}  // namespace cloche
