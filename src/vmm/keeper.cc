#include "vmm/keeper.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/printable.h"
#include "base/private_files.h"
#include "sandbox/life.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;
using sandbox::Status;
using wire::AgentFrame;

// A guest that does not end although its agent was asked to is ended so long after its programs should have gone.
constexpr auto kStopPatience = 5s;
constexpr auto kIdleLook = 200ms;
constexpr uint32_t kMostSignals = 64;
constexpr const char* kOutputLog = "output.log";
// Connections that are there without anybody using the sandbox: cloche-init's, and its agent's two outputs.
constexpr size_t kOwnConnections = 3;

}  // namespace

Keeper::Keeper(wire::VmSandbox sandbox, std::optional<std::chrono::milliseconds> lifetime, Log log, CommandLog output)
    : sandbox_(std::move(sandbox)), lifetime_(lifetime), log_(std::move(log)), output_(std::move(output)) {}

Result<std::unique_ptr<Keeper>> Keeper::create(wire::VmSandbox sandbox,
                                               std::optional<std::chrono::milliseconds> lifetime, Log log) {
  bool goes_on = sandbox.restart.life_fd != wire::VmRestart::kNoLife;
  Fd life = goes_on ? Fd(sandbox.restart.life_fd) : TRY(sandbox::take_life(sandbox.run_directory));
  if (::fcntl(life.get(), F_SETFD, FD_CLOEXEC) < 0) return fail_errno("keep the sandbox's lock");
  CommandLog output =
      TRY(CommandLog::open(sandbox.directory, kOutputLog, {sandbox.log_bytes, std::max(sandbox.log_files, 1u)}));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return fail_errno("make a pipe");
  std::unique_ptr<Keeper> keeper(new Keeper(std::move(sandbox), lifetime, std::move(log), std::move(output)));
  keeper->agent_said_ = Fd(ends[0]);
  keeper->agent_output_ = Fd(ends[1]);
  keeper->life_ = std::move(life);
  if (!keeper->sandbox_.kelpie.socket_path.empty()) keeper->kelpie_ = TRY(KelpieDoor::create(keeper->sandbox_));
  keeper->state_.pid = ::getpid();
  keeper->state_.started_ns = sandbox::realtime_now_ns();
  keeper->state_.restarts = keeper->sandbox_.restart.count;
  keeper->may_restart_ = goes_on;
  if (!keeper->sandbox_.health.command.arguments.empty()) keeper->state_.health = HealthStatus::kStarting;
  keeper->set_status(Status::kStarting);
  keeper->tell("started", {{"restarts", std::to_string(keeper->state_.restarts)}});
  return keeper;
}

Result<void> Keeper::keep(Machine& machine, std::function<void(Result<void>)> ready) {
  machine_ = &machine;
  ready_ = std::move(ready);
  EventLoop& loop = machine.loop();
  control_ = TRY(ControlServer::create(
      loop, sandbox_.run_directory,
      {.obey = [this](wire::ControlFrame type, uint32_t number) { return obey(type, number); },
       .may_connect = [this] { return may_connect(); },
       .connect = [this](Fd client) { machine_->connect_agent(std::move(client), [](const Result<void>&) {}); },
       .may_attach = [this] { return may_attach(); },
       .attach = [this](Fd client) { audience_->join(std::move(client)); }}));
  const wire::Exec& command = sandbox_.command;
  audience_ = std::make_unique<Audience>(
      loop, Audience::Command{.has_input = command.has_input || command.streams == wire::Streams::kTerminal,
                              .send = [this](std::span<const std::byte> frame) { first_->send(frame); },
                              .unsent = [this] { return first_->unsent(); }});
  TRY(loop.watch(agent_said_.get(), EPOLLIN, [this](uint32_t) { hear_agent(); }));
  if (!sandbox_.health.command.arguments.empty())
    health_ = std::make_unique<Health>(
        loop, sandbox_.health,
        Health::Needs{.connect = [this](AgentLink::Events events) { return connect(std::move(events)); },
                      .report = [this](const Health::Report& report) { take_health(report); }});
  if (kelpie_) {
    kelpie_->attach(loop, {.connect =
                               [this](Fd socket, KelpieDoor::Guest::Done done) {
                                 machine_->connect_guest(wire::kKelpiePort, std::move(socket), std::move(done));
                               },
                           .may_connect = [this] { return may_connect().has_value(); }});
    machine.on_guest_connect(wire::kKelpiePort, [this] { return kelpie_->answer(); });
  }
  if (lifetime_)
    loop.at(EventLoop::Clock::now() + *lifetime_, [this] { stop(lifetime_is_over(), sandbox_.stop_grace_ms); });
  if (sandbox_.idle_timeout_ms != 0 && !sandbox_.has_command) look_for_idleness();
  return {};
}

// The agent says once that it listens, and perhaps that kelpie's host wants the end.
void Keeper::hear_agent() {
  std::array<char, 256> said;
  ssize_t got = ::read(agent_said_.get(), said.data(), said.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  bool first = got > 0 && !first_;
  if (got <= 0) machine_->loop().unwatch(agent_said_.get());
  if (first) return greet();
  bool ends = got > 0 && std::string_view(said.data(), static_cast<size_t>(got)).contains(wire::kAgentShutsDown);
  if (ends && kelpie_) stop("it was told to shut down on its kelpie port", sandbox_.stop_grace_ms);
}

Result<std::unique_ptr<AgentLink>> Keeper::connect(AgentLink::Events events) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return fail_errno("create a socket pair");
  Fd ours(ends[0]), agents(ends[1]);
  auto link = TRY(AgentLink::create(machine_->loop(), std::move(ours), std::move(events)));
  machine_->connect_agent(std::move(agents), [](const Result<void>&) {});  // Where that fails, the link closes.
  return link;
}

void Keeper::greet() {
  auto link =
      connect({.frame = [this](AgentFrame type, std::span<const std::byte> payload) { take_frame(type, payload); },
               .closed =
                   [this] {
                     // With a command it lasts as long as that; without, the agent has answered and we closed.
                     if (!command_ended_ && !stop_reason_) machine_->stop("the guest's agent closed its connection");
                   }});
  if (!link) return machine_->stop(link.error().message());
  first_ = std::move(*link);
}

void Keeper::take_frame(AgentFrame type, std::span<const std::byte> payload) {
  audience_->hear(type, payload);
  switch (type) {
    case AgentFrame::kWelcome:
      return first_->send(wire::encode_bytes(AgentFrame::kPing, {}));
    case AgentFrame::kPong:
      return agent_answered();
    case AgentFrame::kDone:
      if (kelpie_ && kelpie_->agent_serves()) begin();
      return;
    case AgentFrame::kExecuted:
      if (kelpie_) kelpie_->command_began();
      return say_ready({});
    case AgentFrame::kOutput:
      return keep_output(LogStream::kOutput, payload);
    case AgentFrame::kErrorOutput:
      return keep_output(LogStream::kError, payload);
    case AgentFrame::kEnded:
      return command_ended(payload);
    case AgentFrame::kError: {
      wire::AgentError error;
      if (!wire::decode_message(payload, error)) error = {};
      return machine_->stop("the guest's agent refused a request: " + printable(error.what));
    }
    default:
      return;
  }
}

void Keeper::agent_answered() {
  std::vector<std::byte> request;
  if (kelpie_) request = kelpie_->take_request(sandbox_.command);
  if (!request.empty()) return first_->send(request);
  if (!kelpie_ || !kelpie_->waits_for_agent()) begin();
}

void Keeper::begin() {
  if (state_.ready_ns != 0) return;  // A second one is the guest's own idea.
  state_.ready_ns = sandbox::realtime_now_ns();
  if (!stop_reason_) set_status(Status::kRunning);
  if (!sandbox_.has_command) return say_ready({});
  first_->send(wire::encode(AgentFrame::kExec, sandbox_.command));
}

void Keeper::say_ready(Result<void> result) {
  if (result && !ready_at_) {
    ready_at_ = EventLoop::Clock::now();
    may_restart_ = true;
    tell("ready");
    if (health_ && state_.status == Status::kRunning) health_->start();
  }
  if (auto ready = std::exchange(ready_, nullptr)) ready(std::move(result));
}

void Keeper::keep_output(LogStream stream, std::span<const std::byte> bytes) {
  if (auto kept = output_.append(stream, bytes); !kept)
    log_.warning("the command's output is not kept: {}", kept.error().message());
}

void Keeper::command_ended(std::span<const std::byte> payload) {
  wire::ExecEnded ended;
  if (command_ended_ || !wire::decode_message(payload, ended)) return;
  command_ended_ = true;
  static_cast<void>(output_.end());
  std::string what = printable(ended.what);
  switch (ended.kind) {
    case wire::ExitKind::kExited:
      state_.exit_code = static_cast<int>(ended.value & 0xff);
      break;
    case wire::ExitKind::kSignaled:
      state_.signal = static_cast<int>(std::min(ended.value, kMostSignals));
      break;
    case wire::ExitKind::kNotFound:
      state_.exit_code = 127;
      state_.reason = what + ": not found in the guest";
      say_ready(fail(ErrorCode::kNotFound, state_.reason));
      break;
    default:
      state_.exit_code = 126;
      state_.reason = fmt::format("{}: cannot be executed in the guest", what);
      say_ready(fail(ErrorCode::kGuest, state_.reason, static_cast<int>(ended.value & 0xfff)));
      break;
  }
  if (health_) health_->hold();
  set_status(Status::kStopping);
  tell("command-ended", command_end());
  if (!last_) shut_down(0);  // What it has left behind goes with it.
}

Result<void> Keeper::obey(wire::ControlFrame type, uint32_t number) {
  switch (type) {
    case wire::ControlFrame::kPause:
      return pause();
    case wire::ControlFrame::kResume:
      return resume();
    case wire::ControlFrame::kStop:
      may_restart_ = false;  // Also where its command has just ended.
      stop("it was told to stop", number);
      return {};
    case wire::ControlFrame::kKill:
      stop_reason_ = "it was killed";
      was_killed_ = true;
      machine_->stop(*stop_reason_);
      return {};
    case wire::ControlFrame::kSignal:
      return signal(number);
    default:
      return fail(ErrorCode::kUnsupported, "a request that this process does not know");
  }
}

Result<void> Keeper::may_connect() const {
  if (state_.status == Status::kRunning) return {};
  return fail(ErrorCode::kUnavailable, fmt::format("the sandbox is {}", name_of(state_.status)));
}

Result<void> Keeper::may_attach() const {
  if (!sandbox_.has_command)
    return fail(ErrorCode::kUnavailable, "it has no command of its own; `exec` runs one in it");
  if (command_ended_) return fail(ErrorCode::kUnavailable, "its command has just ended");
  TRY(may_connect());
  return audience_->may_join();
}

Result<void> Keeper::pause() {
  if (state_.status == Status::kPaused) return {};
  TRY(may_connect());
  TRY(machine_->pause());
  if (health_) health_->hold();
  set_status(Status::kPaused);
  tell("paused");
  return {};
}

Result<void> Keeper::resume() {
  if (state_.status != Status::kPaused) return may_connect();
  TRY(machine_->resume());
  set_status(Status::kRunning);
  tell("resumed");
  if (health_ && ready_at_) health_->start();
  return {};
}

Result<void> Keeper::signal(uint32_t number) {
  if (number == 0 || number > kMostSignals)
    return fail(ErrorCode::kInvalidArgument, fmt::format("signal {}: there is no such signal", number));
  if (!sandbox_.has_command || command_ended_)
    return fail(ErrorCode::kUnavailable, "the sandbox has no command of its own");
  TRY(may_connect());
  if (number == SIGTERM || number == SIGKILL) may_restart_ = false;  // Whoever says that does not want it back.
  first_->send(wire::encode_number(AgentFrame::kSignal, number));
  return {};
}

void Keeper::stop(std::string reason, uint32_t grace_ms) {
  if (stop_reason_ || command_ended_) return;
  stop_reason_ = std::move(reason);
  if (health_) health_->hold();
  bool answers = state_.ready_ns != 0;
  if (state_.status == Status::kPaused) static_cast<void>(machine_->resume());
  set_status(Status::kStopping);
  if (!answers) return machine_->stop(*stop_reason_);  // Nothing runs in it yet that could be asked.
  shut_down(grace_ms);
}

void Keeper::shut_down(uint32_t grace_ms) {
  auto link = connect({.frame =
                           [this, grace_ms](AgentFrame type, std::span<const std::byte>) {
                             if (type == AgentFrame::kWelcome)
                               last_->send(wire::encode_number(AgentFrame::kShutDown, grace_ms));
                           },
                       .closed = [] {}});
  if (!link) return machine_->stop(link.error().message());
  last_ = std::move(*link);
  machine_->loop().at(EventLoop::Clock::now() + std::chrono::milliseconds(grace_ms) + kStopPatience,
                      [this] { machine_->stop("the guest did not end when it was asked to"); });
}

void Keeper::look_for_idleness() {
  size_t own = kOwnConnections + (first_ ? 1 : 0) + (health_ && health_->may_be_connected() ? 1 : 0);
  auto now = EventLoop::Clock::now();
  if (state_.status != Status::kRunning || machine_->guest_connections() > own)
    idle_since_.reset();
  else if (!idle_since_)
    idle_since_ = now;
  else if (now - *idle_since_ >= std::chrono::milliseconds(sandbox_.idle_timeout_ms))
    return stop(fmt::format("nobody used it for {} ms", sandbox_.idle_timeout_ms), sandbox_.stop_grace_ms);
  machine_->loop().at(now + kIdleLook, [this] { look_for_idleness(); });
}

void Keeper::set_status(Status status) {
  state_.status = status;
  std::string text = sandbox::encode(state_), path = sandbox_.directory + "/" + sandbox::kStateFile;
  if (auto written = write_private_file(path, std::as_bytes(std::span(text))); !written)
    log_.error("the sandbox's state: {}", written.error().message());
}

void Keeper::take_health(const Health::Report& report) {
  HealthStatus before = std::exchange(state_.health, report.status);
  state_.health_failures = report.failures;
  state_.health_output = report.output;
  set_status(state_.status);
  if (before != report.status) tell("health", {{"status", std::string(name_of(report.status))}});
}

}  // namespace cloche
