// cloche_outcome and cloche_info: what has become of a command, and of a sandbox.
#include "capi/handles.h"
#include "cloche/foreground.h"

namespace {

using cloche::EndedBy;
using cloche::LostReason;
using cloche::SandboxStatus;

// The numbers of cloche.h are those of the C++ interface.
static_assert(static_cast<int>(EndedBy::kExit) == CLOCHE_EXITED);
static_assert(static_cast<int>(EndedBy::kSignal) == CLOCHE_SIGNALED);
static_assert(static_cast<int>(EndedBy::kLost) == CLOCHE_LOST);
static_assert(static_cast<int>(LostReason::kNone) == CLOCHE_REASON_NONE);
static_assert(static_cast<int>(LostReason::kNotFound) == CLOCHE_REASON_NOT_FOUND);
static_assert(static_cast<int>(LostReason::kNotExecutable) == CLOCHE_REASON_NOT_EXECUTABLE);
static_assert(static_cast<int>(LostReason::kSetupFailed) == CLOCHE_REASON_SETUP_FAILED);
static_assert(static_cast<int>(LostReason::kGuestPanic) == CLOCHE_REASON_GUEST_PANIC);
static_assert(static_cast<int>(LostReason::kInitKilled) == CLOCHE_REASON_INIT_KILLED);
static_assert(static_cast<int>(LostReason::kTripleFault) == CLOCHE_REASON_TRIPLE_FAULT);
static_assert(static_cast<int>(LostReason::kGuestReset) == CLOCHE_REASON_GUEST_RESET);
static_assert(static_cast<int>(LostReason::kTimeout) == CLOCHE_REASON_TIMEOUT);
static_assert(static_cast<int>(LostReason::kStopped) == CLOCHE_REASON_STOPPED);
static_assert(static_cast<int>(LostReason::kCpuError) == CLOCHE_REASON_CPU_ERROR);
static_assert(static_cast<int>(LostReason::kVmmDied) == CLOCHE_REASON_VMM_DIED);
static_assert(static_cast<int>(SandboxStatus::kCreated) == CLOCHE_SANDBOX_CREATED);
static_assert(static_cast<int>(SandboxStatus::kStarting) == CLOCHE_SANDBOX_STARTING);
static_assert(static_cast<int>(SandboxStatus::kRestarting) == CLOCHE_SANDBOX_RESTARTING);
static_assert(static_cast<int>(SandboxStatus::kRunning) == CLOCHE_SANDBOX_RUNNING);
static_assert(static_cast<int>(SandboxStatus::kPaused) == CLOCHE_SANDBOX_PAUSED);
static_assert(static_cast<int>(SandboxStatus::kStopping) == CLOCHE_SANDBOX_STOPPING);
static_assert(static_cast<int>(SandboxStatus::kExited) == CLOCHE_SANDBOX_EXITED);
static_assert(static_cast<int>(SandboxStatus::kStopped) == CLOCHE_SANDBOX_STOPPED);
static_assert(static_cast<int>(SandboxStatus::kFailed) == CLOCHE_SANDBOX_FAILED);
static_assert(static_cast<int>(SandboxStatus::kCrashed) == CLOCHE_SANDBOX_CRASHED);

}  // namespace

extern "C" {

cloche_ended cloche_outcome_ended(const cloche_outcome* outcome) {
  return outcome == nullptr ? CLOCHE_LOST : static_cast<cloche_ended>(outcome->status.by);
}
int cloche_outcome_value(const cloche_outcome* outcome) { return outcome == nullptr ? 0 : outcome->status.value; }
cloche_reason cloche_outcome_reason(const cloche_outcome* outcome) {
  return outcome == nullptr ? CLOCHE_REASON_NONE : static_cast<cloche_reason>(outcome->status.reason);
}
int cloche_outcome_exit_code(const cloche_outcome* outcome) {
  return cloche::exit_code(outcome == nullptr ? cloche::ExitStatus{} : outcome->status);
}
const char* cloche_outcome_text(const cloche_outcome* outcome) {
  return outcome == nullptr ? "" : outcome->text.c_str();
}
const char* cloche_outcome_console_tail(const cloche_outcome* outcome) {
  return outcome == nullptr ? "" : outcome->console_tail.c_str();
}
bool cloche_outcome_timed_out(const cloche_outcome* outcome) { return outcome != nullptr && outcome->timed_out; }

void cloche_info_free(cloche_info* info) { delete info; }
cloche_sandbox_status cloche_info_status(const cloche_info* info) {
  return info == nullptr ? CLOCHE_SANDBOX_CRASHED : static_cast<cloche_sandbox_status>(info->info.status);
}
const char* cloche_info_name(const cloche_info* info) { return info == nullptr ? "" : info->info.name.c_str(); }
const char* cloche_info_reason(const cloche_info* info) { return info == nullptr ? "" : info->info.reason.c_str(); }
int cloche_info_pid(const cloche_info* info) { return info == nullptr ? 0 : info->info.pid; }
int cloche_info_exit_code(const cloche_info* info) { return info == nullptr ? 0 : info->info.exit_code; }
int cloche_info_signal(const cloche_info* info) { return info == nullptr ? 0 : info->info.signal; }

}  // extern "C"
