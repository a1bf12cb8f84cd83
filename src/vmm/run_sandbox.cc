#include "vmm/run_sandbox.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "sandbox/cgroup.h"
#include "vmm/build_config.h"
#include "vmm/keeper.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kLogBurst = 200;
constexpr std::chrono::milliseconds kLogInterval{100};
// A client of the agent who does not read what he has asked for holds up the end no longer.
constexpr auto kDrainTimeout = 2s;
constexpr const char* kLogFile = "vmm.log";
constexpr uint64_t kMostLog = 1 << 20;

// Where its starter is, and what to say to it. It may go at any time, and it may not read: nothing waits for it.
class Starter {
 public:
  explicit Starter(int fd) : fd_(fd) {}
  void tell(std::span<const std::byte> frame) {
    if (gone_) return;
    // Half a frame is no use to anybody: a starter that has fallen that far behind is given up.
    ssize_t put = ::send(fd_, frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    gone_ = put != static_cast<ssize_t>(frame.size());
  }

 private:
  int fd_;
  bool gone_ = false;
};

// The process's own words: to its starter while that is there, and to a file of bounded size.
Log::Sink log_to(Starter& starter, std::shared_ptr<CommandLog> file) {
  return [&starter, file](LogLevel level, std::string_view line) {
    starter.tell(wire::encode_log(static_cast<uint8_t>(level), line));
    std::string text = std::string(line) + "\n";
    static_cast<void>(file->append(LogStream::kError, std::as_bytes(std::span(text))));
  };
}

}  // namespace

Log::Sink limit_guest(Log::Sink sink) { return limited(std::move(sink), kLogBurst, kLogInterval); }

Result<ExitReport> run_sandbox(int fd, wire::VmConfig config) {
  Starter starter(fd);
  const wire::VmSandbox& sandbox = config.sandbox;
  auto file = std::make_shared<CommandLog>(TRY(CommandLog::open(sandbox.directory, kLogFile, {kMostLog, 2})));
  Log log(static_cast<LogLevel>(config.log_level), limit_guest(log_to(starter, file)));
  std::optional<std::chrono::milliseconds> lifetime;
  if (config.timeout_ms != 0) lifetime = std::chrono::milliseconds(std::exchange(config.timeout_ms, 0));
  std::optional<wire::VmConfig> next;  // What it would begin again with.
  if (sandbox.restart.when != wire::VmRestartWhen::kNever) next = config;
  wire::VmLimits limits = sandbox.limits;
  std::string id = sandbox.id, run_directory = sandbox.run_directory;
  bool goes_on = sandbox.restart.life_fd != wire::VmRestart::kNoLife;
  auto keeper = TRY(Keeper::create(sandbox, lifetime, log));
  std::unique_ptr<Machine> machine;
  Companions companions;
  auto run = [&]() -> Result<ExitReport> {
    if (sandbox::has_limits(limits) && !goes_on) TRY(sandbox::enter_cgroup(limits, id, run_directory));
    Timeline timeline(config.began_ns);
    timeline.mark("start cloche-vmm");
    MachineConfig machine_config = TRY(build_config(std::move(config), log, companions));
    machine_config.output = keeper->take_agent_output();
    machine_config.drain_timeout = kDrainTimeout;
    machine = TRY(Machine::create(std::move(machine_config), std::move(timeline)));
    TRY(keeper->keep(*machine, [&starter](Result<void> ready) {
      if (ready) return starter.tell(wire::encode_frame(wire::VmmFrame::kReady));
      const Error& error = ready.error();
      starter.tell(wire::encode(wire::Failed{static_cast<uint8_t>(error.code), error.sys_errno, error.what}));
    }));
    starter.tell(wire::encode_frame(wire::VmmFrame::kStarted));
    return machine->run();
  };
  auto report = run();
  companions.end();
  if (auto pause = keeper->ended(report); pause && next) keeper->begin_again(*pause, std::move(*next));
  static_cast<void>(keeper.release());
  if (sandbox::has_limits(limits)) {
    machine.reset();  // Its kernel has a thread in the group.
    sandbox::leave_cgroup(run_directory);
  }
  // The process ends next, and the kernel frees a VM faster all at once than we could piece by piece.
  static_cast<void>(machine.release());
  return report;
}

}  // namespace cloche
