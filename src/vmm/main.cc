// cloche-vmm --fd N: the process of one VM (wire/vmm.h). Reads its configuration, runs the VM, reports how it ended.
#include <fmt/format.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <optional>

#include "machine/machine.h"
#include "vmm/build_config.h"
#include "vmm/run_sandbox.h"
#include "vmm/vsock_doors.h"

namespace cloche {
namespace {

constexpr int kUsage = 2;
// Whatever the terminal or a careless `kill` sends: our starter decides what becomes of the VM, and tells us on the
// socket.
void ignore_signals() {
  for (int signal : {SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2, SIGXFSZ}) ::signal(signal, SIG_IGN);
}

// Every share, file and connection is a descriptor; the soft limit is only there for programs that use select().
void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

struct Frame {
  wire::FrameHeader header;
  std::vector<std::byte> payload;
};

Result<std::optional<Frame>> read_frame(int fd) {
  std::array<std::byte, wire::FrameHeader::kSize> raw;
  size_t got = TRY(read_full(fd, raw));
  if (got == 0) return std::nullopt;
  Frame frame;
  if (got < raw.size() || !wire::decode_header(raw, frame.header))
    return fail(ErrorCode::kProtocol, "read a command: damaged frame");
  frame.payload.resize(frame.header.payload_size);
  if (TRY(read_full(fd, frame.payload)) < frame.payload.size())
    return fail(ErrorCode::kProtocol, "read a command: it ended early");
  return frame;
}

wire::VmmFrame kind(const Frame& frame) { return static_cast<wire::VmmFrame>(frame.header.type); }

void answer(int fd, wire::VmmFrame type, const Result<void>& result) {
  static_cast<void>(write_full(fd, wire::encode_answer(type, result ? "" : result.error().message())));
}

void obey(Machine& machine, const Frame& frame, int fd) {
  switch (kind(frame)) {
    case wire::VmmFrame::kSignal: {
      uint32_t number = 0;
      if (wire::decode_signal(frame.payload, number)) machine.signal(number);
      return;
    }
    case wire::VmmFrame::kResize: {
      uint16_t rows = 0, columns = 0;
      if (wire::decode_resize(frame.payload, rows, columns)) machine.resize(rows, columns);
      return;
    }
    case wire::VmmFrame::kStop:
      return machine.stop("it was told to stop");
    case wire::VmmFrame::kPause:
      return answer(fd, wire::VmmFrame::kPaused, machine.pause());
    case wire::VmmFrame::kResume:
      return answer(fd, wire::VmmFrame::kResumed, machine.resume());
    default:
      return machine.stop("its starter sent what it must not");
  }
}

// Commands are small and written whole by libcloche, so reading a frame to its end does not hold up the loop.
Result<void> take_commands(Machine& machine, int fd) {
  return machine.loop().watch(fd, EPOLLIN, [&machine, fd](uint32_t) {
    auto frame = read_frame(fd);
    if (frame && *frame) return obey(machine, **frame, fd);
    machine.loop().unwatch(fd);
    machine.stop("the program that started it is gone");
  });
}

wire::Ended to_wire(ExitReport report) {
  wire::Ended ended;
  ended.kind = static_cast<wire::VmEnd>(report.kind);
  ended.exited = std::move(report.exited);
  ended.detail = std::move(report.detail);
  ended.console_tail = std::move(report.console_tail);
  for (Phase& phase : report.phases)
    ended.phases.push_back({std::move(phase.name), phase.in_guest, phase.begin_ns, phase.end_ns});
  ended.guest_faults = report.guest_faults;
  return ended;
}
static_assert(static_cast<int>(EndKind::kStopped) == static_cast<int>(wire::VmEnd::kStopped));

// `tell` gets frames for our starter.
using Tell = std::function<void(std::span<const std::byte>)>;

Result<ExitReport> run_vm(int fd, wire::VmConfig config, const Tell& tell) {
  Log log(static_cast<LogLevel>(config.log_level), limit_guest([tell](LogLevel level, std::string_view line) {
            tell(wire::encode_log(static_cast<uint8_t>(level), line));
          }));
  Timeline timeline(config.began_ns);
  timeline.mark("start cloche-vmm");
  auto doors = TRY(VsockDoors::create(std::move(config.vsock_ports)));
  Companions companions;  // They end before the report is sent: who has read it finds the host as it was.
  MachineConfig machine_config = TRY(build_config(std::move(config), std::move(log), companions));
  timeline.mark("open shares");
  auto machine = TRY(Machine::create(std::move(machine_config), std::move(timeline)));
  TRY(doors->attach(*machine));
  TRY(take_commands(*machine, fd));
  tell(wire::encode_frame(wire::VmmFrame::kStarted));
  auto report = machine->run();
  // The process ends next, and the kernel frees a VM faster all at once than we could piece by piece.
  static_cast<void>(machine.release());
  return report;
}

// From here on nobody waits for us: our starter reaps what it started at once, and no terminal is ours.
Result<void> detach() {
  pid_t child = ::fork();
  if (child < 0) return fail_errno("leave the starter");
  if (child > 0) ::_exit(0);
  ::setsid();
  if (::chdir("/") < 0) return fail_errno("enter /");
  return {};
}

Result<ExitReport> run(int fd) {
  auto frame = TRY(read_frame(fd));
  wire::VmConfig config;
  if (!frame || kind(*frame) != wire::VmmFrame::kConfig || !wire::decode(frame->payload, config))
    return fail(ErrorCode::kProtocol, "read the VM's configuration: damaged");
  Tell tell = [fd](std::span<const std::byte> bytes) { static_cast<void>(write_full(fd, bytes)); };
  if (config.sandbox.id.empty()) return run_vm(fd, std::move(config), tell);
  if (config.sandbox.restart.life_fd == wire::VmRestart::kNoLife) TRY(detach());  // After a restart it is.
  return run_sandbox(fd, std::move(config));
}

void report(int fd, Result<ExitReport> result) {
  std::vector<std::byte> frame;
  if (result) {
    frame = wire::encode(to_wire(std::move(*result)));
  } else {
    const Error& error = result.error();
    frame = wire::encode(wire::Failed{static_cast<uint8_t>(error.code), error.sys_errno, error.what});
  }
  static_cast<void>(write_full(fd, frame));  // Nobody is left to tell when this fails.
}

}  // namespace
}  // namespace cloche

int main(int argc, char** argv) {
  int fd = -1;
  if (argc == 3 && std::strcmp(argv[1], "--fd") == 0) std::from_chars(argv[2], argv[2] + std::strlen(argv[2]), fd);
  if (fd < 3) {
    fmt::print(stderr, "cloche-vmm: started by cloche, not by hand\n");
    return cloche::kUsage;
  }
  cloche::ignore_signals();
  cloche::raise_file_limit();
  cloche::report(fd, cloche::run(fd));
  ::_exit(0);
}
