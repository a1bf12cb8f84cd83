// cloche_exec: a command that runs in a sandbox.
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <memory>

#include "capi/guard.h"
#include "capi/handles.h"
#include "capi/sigpipe.h"
#include "capi/texts.h"

using cloche::ErrorCode;
using cloche::fail;
using cloche::Result;
using namespace cloche::capi;

namespace {

// Readable once `after` has passed; -1 where there is none.
class Timer {
 public:
  static Result<Timer> create(std::optional<std::chrono::milliseconds> after) {
    if (!after) return Timer(-1);
    int fd = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0) return fail(ErrorCode::kHost, "create a timer", errno);
    Timer timer(fd);
    itimerspec at{};
    at.it_value.tv_sec = after->count() / 1000;
    at.it_value.tv_nsec = after->count() % 1000 * 1'000'000;
    if (after->count() == 0) at.it_value.tv_nsec = 1;  // 0 would be never.
    if (::timerfd_settime(fd, 0, &at, nullptr) < 0) return fail(ErrorCode::kHost, "set a timer", errno);
    return timer;
  }
  Timer(Timer&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Timer& operator=(Timer&&) = delete;
  ~Timer() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const { return fd_; }

 private:
  explicit Timer(int fd) : fd_(fd) {}
  int fd_;
};

Result<void> wait_for(cloche_exec& exec, std::optional<std::chrono::milliseconds> limit) {
  if (exec.outcome) return {};
  auto timer = Timer::create(limit);
  if (!timer) return std::unexpected(std::move(timer).error());
  NoSigpipe quiet;
  auto ended = exec.exec.serve(timer->fd());
  if (!ended) return std::unexpected(std::move(ended).error());
  if (!*ended) return fail(ErrorCode::kTimeout, "command: it still runs");
  exec.outcome =
      cloche_outcome{.status = (*ended)->status, .text = std::move((*ended)->text), .timed_out = (*ended)->timed_out};
  return {};
}

template <typename Act>
cloche_code with(cloche_exec* exec, cloche_error** error, Act act) {
  return guarded(error, [&]() -> Result<void> {
    if (exec == nullptr) return missing("exec");
    return act(*exec);
  });
}

}  // namespace

extern "C" {

cloche_code cloche_exec_start(cloche_sandbox* sandbox, const cloche_command* command, cloche_exec** exec,
                              cloche_error** error) {
  return guarded(error, [&]() -> Result<void> {
    if (sandbox == nullptr) return missing("sandbox");
    if (command == nullptr) return missing("command");
    if (exec == nullptr) return missing("exec");
    NoSigpipe quiet;
    auto begun = sandbox->sandbox.exec(command->exec);
    if (!begun) return std::unexpected(std::move(begun).error());
    *exec = new cloche_exec{std::move(*begun)};
    return {};
  });
}

void cloche_exec_free(cloche_exec* exec) { delete exec; }

cloche_code cloche_exec_wait(cloche_exec* exec, int64_t timeout_ms, const cloche_outcome** outcome,
                             cloche_error** error) {
  return with(exec, error, [&](cloche_exec& it) -> Result<void> {
    auto limit = limit_of(timeout_ms);
    if (!limit) return std::unexpected(std::move(limit).error());
    if (auto done = wait_for(it, *limit); !done) return done;
    if (outcome != nullptr) *outcome = &*it.outcome;
    return {};
  });
}

cloche_code cloche_exec_signal(cloche_exec* exec, int number, cloche_error** error) {
  return with(exec, error, [&](cloche_exec& it) { return it.exec.signal(number); });
}

cloche_code cloche_exec_resize(cloche_exec* exec, uint16_t rows, uint16_t columns, cloche_error** error) {
  return with(exec, error, [&](cloche_exec& it) { return it.exec.resize({.rows = rows, .columns = columns}); });
}

}  // extern "C"
