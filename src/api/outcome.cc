#include "api/outcome.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>

#include <cstring>

#include "base/printable.h"

namespace cloche {
namespace {

constexpr uint32_t kMostSignals = 64;

std::string reason_text(LostReason reason, std::string_view detail) {
  std::string_view what;
  switch (reason) {
    case LostReason::kGuestPanic:
      what = "the guest's kernel panicked";
      break;
    case LostReason::kInitKilled:
      what = "the guest's first process was killed";
      break;
    case LostReason::kTripleFault:
      what = "the guest's CPU gave up (triple fault)";
      break;
    case LostReason::kGuestReset:
      what = "the guest ended without reporting how its command did";
      break;
    case LostReason::kTimeout:
      what = "timed out";
      break;
    case LostReason::kCpuError:
      what = "the hypervisor could not go on";
      break;
    case LostReason::kStopped:
      what = "ended before its command did";
      break;
    default:
      break;
  }
  return detail.empty() ? std::string(what) : std::string(detail);
}

LostReason lost_reason(wire::VmEnd end) {
  switch (end) {
    case wire::VmEnd::kPanic:
      return LostReason::kGuestPanic;
    case wire::VmEnd::kInitKilled:
      return LostReason::kInitKilled;
    case wire::VmEnd::kTripleFault:
      return LostReason::kTripleFault;
    case wire::VmEnd::kTimeout:
      return LostReason::kTimeout;
    case wire::VmEnd::kCpuError:
      return LostReason::kCpuError;
    case wire::VmEnd::kStopped:
      return LostReason::kStopped;
    case wire::VmEnd::kReported:
    case wire::VmEnd::kReset:
      break;
  }
  return LostReason::kGuestReset;
}

void set_lost(Outcome& outcome, LostReason reason, std::string text) {
  outcome.status = {EndedBy::kLost, 0, reason};
  outcome.text = std::move(text);
}

void take_report(Outcome& outcome, const wire::Exited& exited) {
  std::string what = printable(exited.what);
  std::string why =
      exited.value != 0 && exited.value < 4096 ? ::strerror(static_cast<int>(exited.value)) : "reason unknown";
  switch (exited.kind) {
    case wire::ExitKind::kExited:
      outcome.status = {EndedBy::kExit, static_cast<int>(exited.value & 0xff), LostReason::kNone};
      return;
    case wire::ExitKind::kSignaled:
      if (exited.value == 0 || exited.value > kMostSignals)
        return set_lost(outcome, LostReason::kGuestReset,
                        fmt::format("the guest reported a signal {} that there is not", exited.value));
      outcome.status = {EndedBy::kSignal, static_cast<int>(exited.value), LostReason::kNone};
      return;
    case wire::ExitKind::kNotFound:
      return set_lost(outcome, LostReason::kNotFound, fmt::format("{}: not found in the guest", what));
    case wire::ExitKind::kNotRunnable:
      return set_lost(outcome, LostReason::kNotExecutable,
                      fmt::format("{}: cannot be executed in the guest: {}", what, why));
    case wire::ExitKind::kFailed:
      break;
  }
  set_lost(outcome, LostReason::kSetupFailed, fmt::format("prepare the guest: {}: {}", what, why));
}

}  // namespace

Outcome make_outcome(wire::Ended ended) {
  Outcome outcome;
  if (ended.kind == wire::VmEnd::kReported) {
    take_report(outcome, ended.exited);
  } else {
    LostReason reason = lost_reason(ended.kind);
    set_lost(outcome, reason, reason_text(reason, printable(ended.detail)));
  }
  outcome.console_tail = printable(ended.console_tail, Lines::kKeep);
  outcome.guest_faults = ended.guest_faults;
  for (wire::VmPhase& phase : ended.phases)
    outcome.phases.push_back({printable(phase.name), phase.in_guest, phase.begin_ns, phase.end_ns});
  return outcome;
}

Outcome make_silent_outcome(std::optional<int> wait_status) {
  std::string how = "ended without a report";
  if (wait_status && WIFSIGNALED(*wait_status)) {
    int signal = WTERMSIG(*wait_status);
    how = fmt::format("was killed by signal {} ({})", signal, ::strsignal(signal));
    if (signal == SIGKILL) how += ": by hand, or because the host ran out of memory";
  } else if (wait_status && WIFEXITED(*wait_status)) {
    how = fmt::format("ended with code {} and without a report", WEXITSTATUS(*wait_status));
  }
  return make_lost_outcome(LostReason::kVmmDied, "the VM's process " + how);
}

Outcome make_lost_outcome(LostReason reason, std::string text) {
  Outcome outcome;
  set_lost(outcome, reason, reason_text(reason, text));
  return outcome;
}

}  // namespace cloche
