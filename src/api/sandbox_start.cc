#include "api/sandbox_start.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>

#include "api/launch.h"
#include "api/monotonic.h"
#include "api/plan.h"
#include "api/plan_upkeep.h"
#include "base/printable.h"

namespace cloche {
namespace {

using sandbox::Clock;
using sandbox::Home;

constexpr uint32_t kMostReport = 1 << 20;
constexpr const char* kAgentName = "cloche-agent";

// The command that `config` describes, as `start` has it after planning.
wire::Exec command_of(const wire::Start& start) {
  return {.arguments = start.arguments,
          .environment = start.environment,
          .working_directory = start.working_directory,
          .uid = start.uid,
          .gid = start.gid,
          .limits = start.limits,
          .streams = start.streams,
          .rows = start.rows,
          .columns = start.columns};
}

// A sandbox without a command is planned as one that runs its agent.
Config with_command(const Config& vm) {
  Config config = vm;
  if (config.arguments.empty()) {
    config.arguments = {kAgentName};
    config.terminal.reset();
  }
  config.input = Input::kNone;
  return config;
}

Result<void> plan_kelpie(const KelpiePort& port, const Installation& installation, wire::VmConfig& vm) {
  const std::string& path = port.socket_path;
  if (path.empty() || path.ends_with('/') || path.contains('\0'))
    return fail(ErrorCode::kInvalidArgument, "kelpie port: '" + printable(path) + "' is no path of a socket");
  vm.sandbox.kelpie = {.socket_path = path,
                       .listens = port.socket == KelpieSocket::kListen,
                       .by_command = port.server == KelpieServer::kCommand};
  if (port.server == KelpieServer::kAgent) vm.agent_path = installation.kelpie_agent;
  return {};
}

Result<wire::VmConfig> plan_vm(const SandboxConfig& config) {
  Installation installation = find_installation(config.vm.installation);
  Plan plan = TRY(make_plan(with_command(config.vm), installation));
  wire::VmConfig& vm = plan.vm;
  vm.agent_path = installation.agent;
  if (config.kelpie) TRY(plan_kelpie(*config.kelpie, installation, vm));
  vm.sandbox.command = command_of(vm.start);
  vm.sandbox.has_command = !config.vm.arguments.empty();
  vm.sandbox.command.has_input = config.vm.input == Input::kCarried;
  vm.sandbox.stop_grace_ms = static_cast<uint32_t>(std::clamp<int64_t>(config.stop_grace.count(), 0, UINT32_MAX));
  if (config.idle_timeout)
    vm.sandbox.idle_timeout_ms = static_cast<uint64_t>(std::max<int64_t>(config.idle_timeout->count(), 1));
  vm.sandbox.log_bytes = uint64_t{config.log_mib} << 20;
  vm.sandbox.log_files = config.log_files;
  TRY(plan_upkeep(config, vm.sandbox));
  if (config.vm.timeout) vm.timeout_ms = static_cast<uint64_t>(std::max<int64_t>(config.vm.timeout->count(), 1));
  // What PID 1 runs is the agent; it starts the command.
  wire::Start& start = vm.start;
  start.is_agent = true;
  start.arguments = {kAgentName};
  start.environment.clear();
  start.uid = start.gid = 0;
  start.limits.clear();
  start.streams = wire::Streams::kPipes;
  vm.has_input = false;
  return std::move(vm);
}

// The process of the VM until it says that the sandbox can be used.
class Birth {
 public:
  Birth(LaunchedVmm launched, Clock::time_point deadline) : launched_(std::move(launched)), deadline_(deadline) {}
  // The process that was started only makes the one that stays.
  ~Birth() {
    int status = 0;
    while (::waitpid(launched_.pid, &status, 0) < 0 && errno == EINTR) {
    }
  }

  Result<void> send(std::span<const std::byte> frame) {
    while (!frame.empty()) {
      if (!TRY(sandbox::wait_for(fd(), POLLOUT, deadline_))) return give_up();
      ssize_t put = ::send(fd(), frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (put < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (put < 0) return {};  // It is gone: await() tells why.
      frame = frame.subspan(static_cast<size_t>(put));
    }
    return {};
  }

  // Empty: its last word was not that it is ready. Its state says more.
  Result<bool> await() {
    for (;;) {
      std::array<std::byte, wire::FrameHeader::kSize> raw;
      wire::FrameHeader header;
      if (!TRY(receive(raw))) return false;
      if (!wire::decode_header(raw, header) || header.payload_size > kMostReport)
        return fail(ErrorCode::kProtocol, "the VM's process sent what it must not");
      std::vector<std::byte> payload(header.payload_size);
      if (!TRY(receive(payload))) return false;
      switch (static_cast<wire::VmmFrame>(header.type)) {
        case wire::VmmFrame::kReady:
          return true;
        case wire::VmmFrame::kEnded:
          return false;
        case wire::VmmFrame::kFailed: {
          wire::Failed failed;
          if (!wire::decode(payload, failed) || failed.code > static_cast<uint8_t>(ErrorCode::kInternal))
            return fail(ErrorCode::kProtocol, "the VM's process sent what it must not");
          return fail(static_cast<ErrorCode>(failed.code), printable(failed.what), failed.sys_errno);
        }
        default:
          break;  // Its log is in a file, and that it has started is no news.
      }
    }
  }

 private:
  int fd() const { return launched_.socket.get(); }
  std::unexpected<Error> give_up() {
    ::kill(launched_.pid, SIGKILL);  // Where it has not come to making the one that stays.
    return fail(ErrorCode::kTimeout, "its guest was not ready in time");
  }
  // False when the process is gone.
  Result<bool> receive(std::span<std::byte> to) {
    while (!to.empty()) {
      if (!TRY(sandbox::wait_for(fd(), POLLIN, deadline_))) return give_up();
      ssize_t got = ::recv(fd(), to.data(), to.size(), MSG_DONTWAIT);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got <= 0) return false;
      to = to.subspan(static_cast<size_t>(got));
    }
    return true;
  }

  LaunchedVmm launched_;
  Clock::time_point deadline_;
};

// Why it has ended, as its process wrote it down.
std::unexpected<Error> why_not(const Home& home, const std::string& id) {
  auto info = home.info(id);
  if (!info) return std::unexpected(std::move(info).error());
  std::string text = info->reason.empty() ? "its VM's process ended without a report" : info->reason;
  if (!info->console_tail.empty()) text += "; the guest's last words:\n" + info->console_tail;
  return fail(ErrorCode::kGuest, std::move(text));
}

// A guest that was not ready in time does not stay.
void end_late_one(const std::string& run_directory) {
  auto control = sandbox::ControlClient::connect(run_directory);
  if (control) static_cast<void>(control->ask(wire::ControlFrame::kKill, Clock::now() + std::chrono::seconds(2)));
}

// Whether it holds nothing that a sandbox's record (sandbox/record.h) does not.
bool is_recorded(const Config& config) {
  return config.first_program == FirstProgram::kCloche && config.kernel_format == KernelFormat::kByContents &&
         config.nested_vms == NestedVms::kHidden && config.root.source <= RootSource::kDisk &&
         std::ranges::all_of(config.shares, [](const Share& share) { return share.source == ShareSource::kHost; });
}

}  // namespace

Result<void> plan_sandbox(const SandboxConfig& config) {
  if (config.log_files == 0 || config.log_mib == 0)
    return fail(ErrorCode::kInvalidArgument, "log: at least one file of one MiB is kept");
  for (size_t index = 0; index < config.vm.networks.size(); ++index)
    if (config.vm.networks[index].fd != -1)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("network {}: fd: a sandbox, which outlives its maker, needs a path", index));
  if (config.vm.held)
    return fail(ErrorCode::kUnsupported, "installation: a sandbox, which starts again later, cannot hold on to one");
  if (config.vm.kernel_image)
    return fail(ErrorCode::kUnsupported, "kernel: a sandbox, which starts again later, needs a file");
  if (!config.vm.vsock_ports.empty())
    return fail(ErrorCode::kUnsupported, "vsock ports: a sandbox has none so far; a Vm has");
  if (!config.vm.consoles.empty())
    return fail(ErrorCode::kUnsupported, "consoles: a sandbox has none so far; a Vm has");
  if (!config.vm.vhost_user.empty())
    return fail(ErrorCode::kUnsupported, "vhost-user devices: a sandbox has none so far; a Vm has");
  if (config.vm.tsi) return fail(ErrorCode::kUnsupported, "TSI: a sandbox has none; a Vm has");
  if (!is_recorded(config.vm))
    return fail(ErrorCode::kUnsupported,
                "first program, kernel format, nested VMs and shares without a directory: a sandbox has none of them; "
                "a Vm has");
  TRY(plan_vm(config));
  return {};
}

Result<wire::Exec> plan_exec(const Config& vm, const ExecConfig& exec) {
  if (exec.arguments.empty() || exec.arguments[0].empty())
    return fail(ErrorCode::kInvalidArgument, "no command to run");
  Config config = with_command(vm);
  config.arguments = exec.arguments;
  config.environment.insert(config.environment.end(), exec.environment.begin(), exec.environment.end());
  if (exec.working_directory) config.working_directory = *exec.working_directory;
  if (exec.user) config.user = *exec.user;
  if (exec.limits) config.limits = *exec.limits;
  config.terminal = exec.terminal;
  config.networks.clear();
  config.shares.clear();  // They are mounted; that the host's side is gone is no matter here.
  Plan plan;
  if (config.root.source == RootSource::kDisk) plan.vm.root = wire::RootKind::kDisk;
  if (config.root.source == RootSource::kDirectory) plan.vm.root_path = config.root.path;
  TRY(refuse_nul(config));
  TRY(plan_shares(config, plan));
  TRY(plan_command(config, plan));
  TRY(plan_user(config, plan));
  TRY(plan_limits(config, plan));
  wire::Exec wanted = command_of(plan.vm.start);
  wanted.has_input = exec.input == Input::kCarried;
  if (exec.timeout)
    wanted.timeout_ms = static_cast<uint32_t>(std::clamp<int64_t>(exec.timeout->count(), 1, UINT32_MAX));
  wanted.grace_ms = static_cast<uint32_t>(std::clamp<int64_t>(exec.grace.count(), 0, UINT32_MAX));
  return wanted;
}

Result<void> start_sandbox(const Home& home, const SandboxInfo& sandbox, Clock::time_point deadline) {
  wire::VmConfig vm = TRY(plan_vm(sandbox.config));
  vm.sandbox.id = sandbox.id;
  vm.sandbox.directory = home.directory(sandbox.id);
  vm.sandbox.run_directory = TRY(home.make_run_directory(sandbox.id));
  vm.sandbox.home = home.path();
  vm.began_ns = monotonic_now_ns();
  vm.log_level = static_cast<uint8_t>(Verbosity::kInfo);
  vm.start.realtime_ns = sandbox::realtime_now_ns();
  std::vector<std::byte> frame = wire::encode(vm);
  if (frame.size() > wire::kMaxFrameBytes)
    return fail(ErrorCode::kInvalidArgument, "arguments, environment and injected files: together larger than 16 MiB");
  Installation installation = find_installation(sandbox.config.vm.installation);
  Birth birth(TRY(launch_vmm(installation.vmm, {-1, -1, -1})), deadline);
  TRY(birth.send(frame));
  auto ready = birth.await();
  if (!ready && ready.error().code == ErrorCode::kTimeout) end_late_one(vm.sandbox.run_directory);
  if (!ready) return std::unexpected(std::move(ready).error().in("start it"));
  if (!*ready) return why_not(home, sandbox.id);
  return {};
}

}  // namespace cloche
