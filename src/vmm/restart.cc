#include "vmm/restart.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "vmm/control_server.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kFirstPause = 100ms, kLongestPause = 1min;
constexpr std::chrono::milliseconds kGoodLife = 10s;  // Then the next pause is the first one again.

// Serves one rest.
class Waiting {
 public:
  explicit Waiting(EventLoop& loop) : loop_(loop) {}

  Result<RestEnd> wait(const Rest& rest) {
    auto control = TRY(ControlServer::create(loop_, rest.run_directory,
                                             {.obey = [this](wire::ControlFrame type, uint32_t) { return obey(type); },
                                              .may_connect = refuse,
                                              .connect = {}}));
    auto now = EventLoop::Clock::now();
    loop_.at(now + rest.pause, [this] { end(RestEnd::kOver); });
    if (rest.lifetime) loop_.at(now + *rest.lifetime, [this] { end(RestEnd::kLifetime); });
    TRY(loop_.run());
    return end_.value_or(RestEnd::kOver);
  }

 private:
  static Result<void> refuse() { return fail(ErrorCode::kUnavailable, "the sandbox is restarting"); }
  Result<void> obey(wire::ControlFrame type) {
    if (type != wire::ControlFrame::kStop && type != wire::ControlFrame::kKill) return refuse();
    end(type == wire::ControlFrame::kStop ? RestEnd::kStopped : RestEnd::kKilled);
    return {};
  }
  void end(RestEnd how) {
    // A wish to end it that comes with the end of the pause is obeyed.
    if (!end_ || *end_ == RestEnd::kOver) end_ = how;
    loop_.stop();
  }

  EventLoop& loop_;
  std::optional<RestEnd> end_;
};

constexpr int kFirstFree = STDERR_FILENO + 1;

// The standard streams lead nowhere, as at first. The VM has closed some, and what was opened since may be in their
// place: a copy elsewhere is what we can rely on.
Result<void> reopen_streams() {
  Fd opened = TRY(open_file("/dev/null", O_RDWR));
  Fd null(::fcntl(opened.get(), F_DUPFD_CLOEXEC, kFirstFree));
  if (!null) return fail_errno("open /dev/null");
  if (opened.get() < kFirstFree) static_cast<void>(opened.release());
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::dup2(null.get(), fd) < 0) return fail_errno("open /dev/null");
  return {};
}

Result<Fd> memory_file(std::span<const std::byte> contents) {
  Fd file(::memfd_create("config", MFD_CLOEXEC));
  if (!file) return fail_errno("create a file in memory");
  TRY(write_full(file.get(), contents));
  if (::lseek(file.get(), 0, SEEK_SET) < 0) return fail_errno("rewind a file in memory");
  return file;
}

// The next life has no descriptor of this one but those two, and the standard streams.
Result<void> leave_only(const Fd& config, const Fd& life) {
  if (::close_range(kFirstFree, ~0U, CLOSE_RANGE_CLOEXEC) < 0) return fail_errno("mark files to be closed");
  for (const Fd* fd : {&config, &life})
    if (::fcntl(fd->get(), F_SETFD, 0) < 0) return fail_errno("keep a file open");
  return {};
}

}  // namespace

std::optional<std::chrono::milliseconds> pause_before_restart(const wire::VmRestart& policy, const Life& life) {
  if (policy.when == wire::VmRestartWhen::kNever) return std::nullopt;
  if (policy.when == wire::VmRestartWhen::kOnFailure && !life.failed) return std::nullopt;
  if (policy.when == wire::VmRestartWhen::kOnFailure && policy.most != 0 && policy.count >= policy.most)
    return std::nullopt;
  if (policy.pause_ms == 0 || life.good_for >= kGoodLife) return kFirstPause;
  return std::min(2 * std::chrono::milliseconds(policy.pause_ms), kLongestPause);
}

Result<RestEnd> rest(const Rest& rest) {
  auto loop = TRY(EventLoop::create());
  return Waiting(*loop).wait(rest);
}

Error begin_again(wire::VmConfig config, const Fd& life) {
  config.sandbox.restart.life_fd = life.get();
  if (auto reopened = reopen_streams(); !reopened) return std::move(reopened).error();
  auto file = memory_file(wire::encode(config));
  if (!file) return std::move(file).error();
  if (auto left = leave_only(*file, life); !left) return std::move(left).error();
  std::string name = "cloche-vmm", flag = "--fd", number = std::to_string(file->get());
  std::array<char*, 4> arguments{name.data(), flag.data(), number.data(), nullptr};
  std::array<char*, 1> environment{nullptr};
  ::execve("/proc/self/exe", arguments.data(), environment.data());
  return fail_errno("execute itself anew").error();
}

}  // namespace cloche
