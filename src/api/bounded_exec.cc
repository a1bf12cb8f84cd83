#include "api/bounded_exec.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/fd.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// The guest's agent ends a command at its timeout. One that does not, because the guest's kernel is busy or is an
// enemy's, is not waited for any longer than this.
constexpr auto kGuestPatience = 5s;

// A file in memory that is read from its beginning.
Result<Fd> make_input(const std::string& text) {
  Fd file(::memfd_create("input", MFD_CLOEXEC));
  if (!file) return fail_errno("keep the command's input");
  TRY(write_full(file.get(), std::as_bytes(std::span(text))));
  if (::lseek(file.get(), 0, SEEK_SET) < 0) return fail_errno("keep the command's input");
  return file;
}

// Readable once after `time`.
Result<Fd> make_alarm(std::chrono::milliseconds time) {
  Fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  itimerspec when{};
  when.it_value.tv_sec = time.count() / 1000;
  when.it_value.tv_nsec = time.count() % 1000 * 1'000'000 + 1;
  if (!timer || ::timerfd_settime(timer.get(), 0, &when, nullptr) < 0) return fail_errno("set a timer");
  return timer;
}

}  // namespace

void CappedOutput::take(std::span<const std::byte> bytes) {
  size_t room = limit_ - std::min<uint64_t>(limit_, text_.size()), taken = std::min(room, bytes.size());
  text_.append(reinterpret_cast<const char*>(bytes.data()), taken);
  cut_ = cut_ || taken < bytes.size();
}

Result<void> check_exec(const ProviderExec& exec) {
  if (exec.timeout <= 0ms || exec.timeout > Provider::kLongestTimeout)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("timeout {} ms: 1 to {}", exec.timeout.count(), Provider::kLongestTimeout.count()));
  if (exec.output_limit > Provider::kMostOutput)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("output limit {}: at most {}", exec.output_limit, Provider::kMostOutput));
  if (exec.command.empty()) return fail(ErrorCode::kInvalidArgument, "no command to run");
  return {};
}

Result<ProviderResult> result_of(const ExecOutcome& outcome) {
  ProviderResult result;
  result.timed_out = outcome.timed_out;
  switch (outcome.status.by) {
    case EndedBy::kExit:
      result.exit_code = outcome.status.value;
      return result;
    case EndedBy::kSignal:
      result.exit_code = 128 + outcome.status.value;
      result.signal = outcome.status.value;
      return result;
    case EndedBy::kLost:
      break;
  }
  switch (outcome.status.reason) {
    case LostReason::kNotFound:
      return fail(ErrorCode::kNotFound, outcome.text);
    case LostReason::kNotExecutable:
      return fail(ErrorCode::kPermission, outcome.text);
    default:
      return fail(ErrorCode::kGuest, outcome.text);
  }
}

Result<ProviderResult> run_bounded(const Sandbox& sandbox, const ProviderExec& exec,
                                   std::chrono::milliseconds patience) {
  TRY(check_exec(exec));
  CappedOutput output(exec.output_limit), error_output(exec.output_limit);
  Fd input = TRY(make_input(exec.input));
  ExecConfig config{.arguments = {exec.command},
                    .environment = exec.environment,
                    .working_directory = exec.working_directory,
                    .streams = {.input = input.get(), .output = -1, .error = -1},
                    .input = exec.input.empty() ? Input::kNone : Input::kCarried,
                    .on_output = [&](std::span<const std::byte> bytes) { output.take(bytes); },
                    .on_error = [&](std::span<const std::byte> bytes) { error_output.take(bytes); },
                    .timeout = exec.timeout};
  config.arguments.insert(config.arguments.end(), exec.arguments.begin(), exec.arguments.end());
  auto limit = exec.timeout + config.grace + kGuestPatience;
  Exec running = TRY(sandbox.exec(std::move(config), patience));
  auto began = Clock::now();
  Fd alarm = TRY(make_alarm(limit));
  auto ended = TRY(running.serve(alarm.get()));
  if (!ended)
    return fail(ErrorCode::kTimeout, fmt::format("{}: the guest has not ended it {} ms after its timeout", exec.command,
                                                 (limit - exec.timeout).count()));
  ProviderResult result = TRY(result_of(*ended));
  result.duration = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
  result.output = std::move(output.text());
  result.error_output = std::move(error_output.text());
  result.output_cut = output.is_cut();
  result.error_output_cut = error_output.is_cut();
  return result;
}

}  // namespace cloche
