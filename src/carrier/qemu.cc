#include "carrier/qemu.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "carrier/protocol.h"

namespace cloche::carrier {
namespace {

constexpr unsigned kMostMemory_mib = 8192;
constexpr unsigned kLeastMemory_mib = 512;

Result<uint64_t> number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = ::getenv(name);
  if (text == nullptr || *text == '\0') return otherwise;
  uint64_t value = 0;
  std::string_view view(text);
  auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  if (error != std::errc() || end != view.data() + view.size())
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}={} is not a number", name, text));
  return value;
}

// In QEMU's option lists a comma ends a value; two of them are one.
std::string quoted(std::string_view value) {
  std::string text;
  for (char each : value) text.append(each == ',' ? 2 : 1, each);
  return text;
}

std::string kernel_command_line(const QemuConfig& config) {
  // The clocks are known to be right, so nothing is calibrated; a panic ends QEMU (-no-reboot) instead of leaving it
  // running.
  std::string line = "console=ttyS0 quiet panic=-1 reboot=t no_timer_check tsc=reliable mitigations=off";
  // PID 1 finds these two in its environment.
  line += fmt::format(" CLOCHE_IDLE_S={}", config.idle_stop_s);
  if (!config.hostname.empty()) line += " CLOCHE_HOSTNAME=" + config.hostname;
  return line;
}

void add_share(std::vector<std::string>& arguments, std::string_view name, std::string_view path, bool as_root) {
  arguments.insert(arguments.end(), {"-fsdev",
                                     fmt::format("local,id={},path={},security_model={},multidevs=remap", name, path,
                                                 as_root ? "passthrough" : "none"),
                                     "-device", fmt::format("virtio-9p-pci,fsdev={},mount_tag=cloche-{}", name, name)});
}

// Only what is safe between fork() and exec(): the caller may have threads.
struct LaunchPlan {
  const char* program;
  std::vector<char*> arguments;
  int life, log, null, report;
  std::string record_path;
  std::string record_rest;  // What follows the process id.
};

[[noreturn]] void give_up(const LaunchPlan& plan) {
  int error = errno;
  (void)!::write(plan.report, &error, sizeof error);
  ::_exit(127);
}

void write_record(const LaunchPlan& plan) {
  char text[160];
  auto end = fmt::format_to_n(text, sizeof text, "{}{}", ::getpid(), plan.record_rest).out;
  ::unlink(plan.record_path.c_str());
  int file = ::open(plan.record_path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0 || ::write(file, text, static_cast<size_t>(end - text)) != end - text) give_up(plan);
}

// QEMU's software SVM clears and sets a bit of the processor's pending interrupts, at every exit and entry of a
// guest, without the lock that its other threads hold when they set theirs (do_vmexit() and VMRUN of QEMU 7.2). An
// interrupt that comes at that moment is lost, and with the timer's the whole machine sleeps until something else wakes
// it. On one processor the one instruction that does it cannot be cut in two. It costs nothing: QEMU computes on one
// thread anyway.
void stay_on_one_processor() {
  cpu_set_t here;
  CPU_ZERO(&here);
  CPU_SET(static_cast<size_t>(::sched_getcpu()), &here);
  (void)::sched_setaffinity(0, sizeof here, &here);
}

[[noreturn]] void become_qemu(const LaunchPlan& plan) {
  write_record(plan);
  stay_on_one_processor();
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // Descriptor 3 is the life lock, 4 the report; everything else of the caller's is closed.
  int life = ::fcntl(plan.life, F_DUPFD, 10), report = ::fcntl(plan.report, F_DUPFD, 10);
  int log = ::fcntl(plan.log, F_DUPFD, 10), null = ::fcntl(plan.null, F_DUPFD, 10);
  if (life < 0 || report < 0 || ::dup2(null, 0) < 0 || ::dup2(log, 1) < 0 || ::dup2(log, 2) < 0 ||
      ::dup2(life, 3) < 0 || ::dup3(report, 4, O_CLOEXEC) < 0)
    give_up(plan);
  ::close_range(5, ~0U, 0);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;  // Each file open in the machine is open in QEMU.
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
  (void)!::chdir("/");
  ::umask(0);  // The machine applies the command's own.
  ::execv(plan.program, plan.arguments.data());
  int error = errno;
  (void)!::write(4, &error, sizeof error);
  ::_exit(127);
}

}  // namespace

Result<unsigned> memory_for_host() {
  auto half =
      static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)) / 2 / (1 << 20);
  uint64_t memory =
      TRY(number_from_environment("CLOCHE_MACHINE_MEMORY_MIB", std::min<uint64_t>(half, kMostMemory_mib)));
  if (memory < kLeastMemory_mib || memory > (1 << 20))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("a machine of {} MiB of memory: it needs {} MiB or more", memory, kLeastMemory_mib));
  return static_cast<unsigned>(memory);
}

Result<uint64_t> idle_stop_s(Kind kind) {
  return 60 * TRY(number_from_environment("CLOCHE_MACHINE_IDLE_MINUTES", kind == Kind::kNormal ? 15 : 3));
}

Result<std::string> find_qemu() {
  constexpr std::string_view kName = "qemu-system-x86_64";
  const char* set = ::getenv("PATH");
  std::string_view rest = set != nullptr ? set : "";
  std::string places = std::string(rest) + ":/usr/bin:/usr/local/bin";
  for (size_t from = 0; from < places.size();) {
    size_t to = std::min(places.find(':', from), places.size());
    std::string program = fmt::format("{}/{}", places.substr(from, to - from), kName);
    if (program[0] == '/' && ::access(program.c_str(), X_OK) == 0) return program;
    from = to + 1;
  }
  return fail(ErrorCode::kUnavailable,
              "this host has no usable KVM, and QEMU, which could stand in for it, is not installed: apt-get install "
              "qemu-system-x86");
}

std::vector<std::string> qemu_arguments(const QemuConfig& config) {
  bool icount = config.kind == Kind::kIcount;
  std::vector<std::string> arguments{
      "qemu-system-x86_64", "-name", icount ? "cloche-machine-icount" : "cloche-machine", "-M", "q35,vmport=off",
      // One processor: with two that ran guests at once QEMU 7.2 now and then broke a guest, or the machine itself.
      "-accel", "tcg,thread=single", "-cpu", "max,-erms", "-smp", "1", "-m", std::to_string(config.memory_mib),
      "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-parallel", "none", "-no-reboot",
      "-rtc", "base=utc,clock=host", "-kernel", config.kernel_path, "-initrd", config.initramfs_path, "-append",
      kernel_command_line(config), "-chardev", "file,id=console,path=" + quoted(config.console_path), "-serial",
      "chardev:console", "-fw_cfg", "name=opt/cloche/token,file=" + quoted(config.token_path),
      // restrict=on: nothing gets out of the machine, to the host or beyond; only the forwarded port leads in.
      "-netdev",
      fmt::format("user,id=wire,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:{}-10.0.2.15:{}", config.port, kAgentPort),
      "-device", "virtio-net-pci,netdev=wire,romfile=", "-device", "virtio-rng-pci"};
  if (icount) arguments.insert(arguments.end(), {"-icount", "shift=0,sleep=off"});
  add_share(arguments, "root", "/", config.as_root);
  if (config.share_cached_usr) add_share(arguments, "usr", "/usr", config.as_root);
  return arguments;
}

Result<uint16_t> free_port() {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (!socket || ::bind(socket.get(), raw, size) < 0 || ::getsockname(socket.get(), raw, &size) < 0)
    return fail_errno("find a free port");
  return ntohs(address.sin_port);
}

Result<void> launch_qemu(const std::string& program, const QemuConfig& config, const StateDirectory& state, Fd life) {
  std::vector<std::string> arguments = qemu_arguments(config);
  Fd log = TRY(open_file(state.path("qemu.log"), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW, 0600));
  Fd null = TRY(open_file("/dev/null", O_RDWR));
  TRY(open_file(config.console_path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return fail_errno("make a pipe");
  Fd report(ends[0]), report_write(ends[1]);
  LaunchPlan plan{program.c_str(),      {},
                  life.get(),           log.get(),
                  null.get(),           report_write.get(),
                  state.path("record"), fmt::format(" {} {}\n", config.port, config.memory_mib)};
  for (std::string& each : arguments) plan.arguments.push_back(each.data());
  plan.arguments.push_back(nullptr);

  pid_t between = ::fork();
  if (between < 0) return fail_errno("start a process");
  if (between == 0) {
    // A session of its own, led by nobody: no terminal can ever hang up on it.
    ::setsid();
    pid_t qemu = ::fork();
    if (qemu < 0) give_up(plan);
    if (qemu == 0) become_qemu(plan);
    ::_exit(0);
  }
  report_write.reset();
  while (::waitpid(between, nullptr, 0) < 0 && errno == EINTR) {
  }
  int error = 0;
  auto got = TRY(read_full(report.get(), std::as_writable_bytes(std::span(&error, 1))));
  if (got == sizeof error) return fail_errno("start " + program, error);
  return {};
}

}  // namespace cloche::carrier
