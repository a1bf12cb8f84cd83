// How a sandbox's life ends, and whether another one follows; and what is told of it all.
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>

#include "base/printable.h"
#include "sandbox/event_log.h"
#include "sandbox/outer_socket.h"
#include "sandbox/record.h"
#include "vmm/keeper.h"
#include "vmm/restart.h"

namespace cloche {
namespace {

using sandbox::Status;
using std::chrono::milliseconds;

constexpr size_t kMostRecord = 64 << 20;
// The end waits no longer for those who are attached and do not read.
constexpr std::chrono::seconds kLastWords{2};

std::string end_text(const ExitReport& report) {
  const wire::Exited& exited = report.exited;
  if (report.kind != EndKind::kReported) return report.detail.empty() ? "the VM was lost" : report.detail;
  if (exited.kind == wire::ExitKind::kFailed)
    return fmt::format("prepare the guest: {}: {}", exited.what, ::strerror(static_cast<int>(exited.value & 0xfff)));
  if (exited.kind == wire::ExitKind::kSignaled)
    return fmt::format("the guest's agent was killed by signal {}", exited.value);
  return fmt::format("the guest's agent ended by itself, with code {}", exited.value);
}

uint64_t monotonic_now_ns() {
  return static_cast<uint64_t>(std::chrono::nanoseconds(EventLoop::Clock::now().time_since_epoch()).count());
}

}  // namespace

std::optional<milliseconds> Keeper::ended(const Result<ExitReport>& report) {
  static_cast<void>(output_.end());
  if (audience_) audience_->finish(EventLoop::Clock::now() + kLastWords);
  state_.finished_ns = sandbox::realtime_now_ns();
  ::unlink((sandbox_.run_directory + "/" + wire::kControlSocket).c_str());
  if (kelpie_) sandbox::remove_outer_socket(sandbox_.directory);
  if (!stop_reason_ && !command_ended_) {
    state_.reason = printable(report ? end_text(*report) : report.error().message());
    if (report) state_.console_tail = printable(report->console_tail, Lines::kKeep);
  }
  if (stop_reason_) {
    finish(Status::kStopped);
    return std::nullopt;
  }
  Life life{.failed = !command_ended_ || state_.exit_code != 0 || state_.signal != 0};
  if (ready_at_) life.good_for = std::chrono::duration_cast<milliseconds>(EventLoop::Clock::now() - *ready_at_);
  auto pause = may_restart_ ? pause_before_restart(sandbox_.restart, life) : std::nullopt;
  if (!pause) {
    finish(command_ended_ ? Status::kExited : Status::kFailed);
    return std::nullopt;
  }
  if (state_.health != HealthStatus::kNone) state_.health = HealthStatus::kStarting;
  set_status(Status::kRestarting);
  auto details = command_end();
  details["restarts"] = std::to_string(state_.restarts + 1);
  details["delay_ms"] = std::to_string(pause->count());
  tell("restarting", std::move(details));
  return pause;
}

void Keeper::begin_again(milliseconds pause, wire::VmConfig config) {
  auto left = [this] {
    auto spent = std::chrono::duration_cast<milliseconds>(EventLoop::Clock::now() - began_);
    return std::max(*lifetime_ - spent, milliseconds(1));
  };
  Rest wanted{.run_directory = sandbox_.run_directory, .pause = pause, .lifetime = {}};
  if (lifetime_) wanted.lifetime = left();
  auto end = rest(wanted);
  ::unlink((sandbox_.run_directory + "/" + wire::kControlSocket).c_str());
  if (end && *end == RestEnd::kOver) {
    config.sandbox.restart.count = state_.restarts + 1;
    config.sandbox.restart.pause_ms = static_cast<uint32_t>(pause.count());
    if (lifetime_) config.timeout_ms = static_cast<uint64_t>(left().count());
    config.began_ns = monotonic_now_ns();
    config.start.realtime_ns = sandbox::realtime_now_ns();
    end = std::unexpected(cloche::begin_again(std::move(config), life_));
  }
  if (!end) {
    state_.reason = "begin again: " + end.error().message();
    return finish(Status::kFailed);
  }
  was_killed_ = *end == RestEnd::kKilled;
  if (was_killed_)
    stop_reason_ = "it was killed";
  else
    stop_reason_ = *end == RestEnd::kLifetime ? lifetime_is_over() : "it was told to stop";
  finish(Status::kStopped);
}

void Keeper::finish(Status status) {
  state_.pid = 0;
  state_.health = HealthStatus::kNone;
  if (status == Status::kStopped) state_.reason = *stop_reason_;
  set_status(status);
  if (status == Status::kExited) return tell("exited", command_end());
  if (was_killed_) return tell("killed");
  tell(std::string(name_of(status)).c_str(), {{"reason", state_.reason}});
}

// After a restart what we know is only what was left of it.
std::string Keeper::lifetime_is_over() const {
  if (state_.restarts > 0) return "its lifetime is over";
  return fmt::format("its lifetime of {} ms is over", lifetime_->count());
}

std::map<std::string, std::string> Keeper::command_end() const {
  std::map<std::string, std::string> details;
  if (!state_.reason.empty()) details["reason"] = state_.reason;
  if (!command_ended_) return details;
  if (state_.signal != 0)
    details["signal"] = std::to_string(state_.signal);
  else
    details["exit_code"] = std::to_string(state_.exit_code);
  return details;
}

void Keeper::tell(const char* kind, std::map<std::string, std::string> details) {
  // Where it was renamed, the record says so.
  std::string record = read_text_file(sandbox_.directory + "/" + sandbox::kRecordFile, kMostRecord).value_or("");
  Event event{.id = sandbox_.id, .name = sandbox::name_in_record(record), .kind = kind, .details = std::move(details)};
  if (auto told = sandbox::EventLog(sandbox_.home).append(std::move(event)); !told)
    log_.warning("an event is not kept: {}", told.error().message());
}

}  // namespace cloche
