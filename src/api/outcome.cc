#include "api/outcome.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>

#include <cstring>

namespace cloche {
namespace {

constexpr uint32_t kMostSignals = 64;

// The length of the character at the start of `text` when it is valid UTF-8 and not a control character; 0 otherwise.
size_t printable_length(std::string_view text) {
  auto byte = [&](size_t at) { return at < text.size() ? static_cast<uint8_t>(text[at]) : uint8_t{0}; };
  uint8_t first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  uint32_t value = first & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    value = value << 6 | (byte(i) & 0x3fu);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0xa0, 0x800, 0x10000};  // Above the C1 controls; no overlong forms.
  bool steers = (value >= 0x200b && value <= 0x200f) || (value >= 0x2028 && value <= 0x202e) ||
                (value >= 0x2066 && value <= 0x2069);
  return value >= kLeast[length] && value <= 0x10ffff && first >= 0xc0 && !steers ? length : 0;
}

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

std::string printable(std::string_view text, Lines lines) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    size_t length = printable_length(text);
    bool keep = length != 0 || (lines == Lines::kKeep && (text[0] == '\n' || text[0] == '\t'));
    if (keep)
      out.append(text.substr(0, length == 0 ? 1 : length));
    else
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(text[0]));
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

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
