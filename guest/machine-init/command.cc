#include "command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "mounts.h"

namespace cloche::machine_init {
namespace {

using carrier::ExitKind;
using carrier::Request;
using carrier::StreamKind;

constexpr gid_t kTerminalGroup = 5;

std::unexpected<StartFailure> failed(std::string_view step) {
  return std::unexpected(StartFailure{ExitKind::kFailed, static_cast<uint32_t>(errno), std::string(step)});
}

struct Ends {
  Fd ours, theirs;
};

std::expected<Ends, StartFailure> make_pipe(bool we_write) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return failed("make a pipe");
  Ends made{Fd(ends[we_write ? 1 : 0]), Fd(ends[we_write ? 0 : 1])};
  ::fcntl(made.ours.get(), F_SETFL, O_NONBLOCK);
  return made;
}

void apply_settings(int terminal, const carrier::TerminalSettings& settings) {
  termios now{};
  if (::tcgetattr(terminal, &now) < 0) return;
  now.c_iflag = settings.input;
  now.c_oflag = settings.output;
  now.c_cflag = settings.control;
  now.c_lflag = settings.local;
  std::memcpy(now.c_cc, settings.characters.data(), std::min(settings.characters.size(), sizeof now.c_cc));
  ::tcsetattr(terminal, TCSANOW, &now);
}

std::expected<Ends, StartFailure> make_terminal(const Request& request) {
  Ends made{Fd(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)), Fd()};
  int unlock = 0;
  if (!made.ours || ::ioctl(made.ours.get(), TIOCSPTLCK, &unlock) < 0) return failed("make a terminal");
  made.theirs = Fd(::ioctl(made.ours.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!made.theirs) return failed("open the terminal");
  if (::fchown(made.theirs.get(), request.uid, kTerminalGroup) < 0) return failed("give the terminal to its user");
  if (request.terminal.control != 0) apply_settings(made.theirs.get(), request.terminal);
  winsize size{request.window.rows, request.window.columns, request.window.width, request.window.height};
  ::ioctl(made.ours.get(), TIOCSWINSZ, &size);
  return made;
}

std::expected<std::string, StartFailure> make_cgroup(uint64_t number) {
  std::string path = fmt::format("/sys/fs/cgroup/commands/{}", number);
  ::mkdir("/sys/fs/cgroup/commands", 0755);
  if (::mkdir(path.c_str(), 0755) < 0) return failed("make a control group");
  return path;
}

// What the child needs; all made before the fork.
struct Plan {
  const Request& request;
  std::array<int, 3> descriptors{-1, -1, -1};
  int terminal = -1;
  int report = -1;  // Close-on-exec pipe for a failure.
  std::string join_cgroup;
  std::vector<char*> arguments, environment;
};

struct ChildFailure {
  ExitKind kind;
  int error;
  char step[64];
};

[[noreturn]] void give_up(const Plan& plan, ExitKind kind, const char* step) {
  ChildFailure failure{kind, errno, {}};
  std::strncpy(failure.step, step, sizeof failure.step - 1);
  (void)!::write(plan.report, &failure, sizeof failure);
  ::_exit(127);
}

void set_signals(uint64_t ignored) {
  for (int number = 1; number < NSIG; ++number) {
    bool ignore = number <= 64 && (ignored >> (number - 1) & 1) != 0;
    ::signal(number, ignore ? SIG_IGN : SIG_DFL);  // Those that cannot be set are left alone.
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void set_descriptors(const Plan& plan) {
  // Out of the way first: a source may sit where another one has to go.
  std::array<int, 3> high{-1, -1, -1};
  for (size_t i = 0; i < 3; ++i)
    if (plan.descriptors[i] >= 0) high[i] = ::fcntl(plan.descriptors[i], F_DUPFD_CLOEXEC, 10);
  for (int i = 0; i < 3; ++i) {
    ::close(i);
    if (high[static_cast<size_t>(i)] >= 0) ::dup2(high[static_cast<size_t>(i)], i);
  }
}

void set_identity(const Plan& plan) {
  const Request& request = plan.request;
  for (const carrier::Limit& limit : request.limits) {
    rlimit value{limit.soft, limit.hard};
    ::setrlimit(static_cast<__rlimit_resource>(limit.resource), &value);
  }
  std::vector<gid_t> groups(request.groups.begin(), request.groups.end());
  if (::setgroups(groups.size(), groups.data()) < 0) give_up(plan, ExitKind::kFailed, "set the groups");
  if (::setgid(request.gid) < 0) give_up(plan, ExitKind::kFailed, "set the group");
  if (::setuid(request.uid) < 0) give_up(plan, ExitKind::kFailed, "set the user");
  ::umask(request.umask);
}

[[noreturn]] void become_command(const Plan& plan) {
  const Request& request = plan.request;
  if (auto group = open_file(plan.join_cgroup, O_WRONLY); !group || ::write(group->get(), "0", 1) != 1)
    give_up(plan, ExitKind::kFailed, "enter the control group");
  ::setpgid(0, 0);
  // A background job that takes the terminal would be stopped, were SIGTTOU not still ignored here.
  if (plan.terminal >= 0) ::tcsetpgrp(plan.terminal, ::getpgrp());
  set_descriptors(plan);
  set_identity(plan);
  if (::chdir(request.working_directory.c_str()) < 0) give_up(plan, ExitKind::kFailed, "enter the working directory");
  environ = const_cast<char**>(plan.environment.data());
  const std::string& program = request.program.empty() ? request.arguments[0] : request.program;
  set_signals(request.ignored_signals);
  ::execvp(program.c_str(), plan.arguments.data());
  give_up(plan, errno == ENOENT ? ExitKind::kNotFound : ExitKind::kNotRunnable, "");
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> all;
  for (const std::string& each : strings) all.push_back(const_cast<char*>(each.c_str()));
  all.push_back(nullptr);
  return all;
}

// Opens what the three descriptors and the terminal need: our ends into `command`, theirs into `theirs`.
std::expected<void, StartFailure> open_streams(const Request& request, Command& command, std::array<Fd, 3>& theirs) {
  const auto& kinds = request.streams;
  if (std::ranges::count(kinds, StreamKind::kTerminal) > 0) {
    auto terminal = make_terminal(request);
    if (!terminal) return std::unexpected(terminal.error());
    command.terminal = std::move(terminal->ours);
    command.terminal_slave = std::move(terminal->theirs);
  }
  Fd* ours[3] = {&command.input, &command.output, &command.errors};
  for (size_t i = 0; i < 3; ++i) {
    if (kinds[i] != StreamKind::kPipe) continue;
    auto made = make_pipe(i == 0);
    if (!made) return std::unexpected(made.error());
    *ours[i] = std::move(made->ours);
    theirs[i] = std::move(made->theirs);
  }
  return {};
}

}  // namespace

std::expected<Command, StartFailure> start_command(const Request& request, uint64_t number) {
  Command command;
  std::array<Fd, 3> theirs;
  if (auto opened = open_streams(request, command, theirs); !opened) return std::unexpected(opened.error());
  auto cgroup = make_cgroup(number);
  if (!cgroup) return std::unexpected(cgroup.error());
  command.cgroup = *cgroup;
  ::setsid();
  if (command.terminal_slave && ::ioctl(command.terminal_slave.get(), TIOCSCTTY, 0) < 0)
    return failed("take the terminal");

  int report[2];
  if (::pipe2(report, O_CLOEXEC) < 0) return failed("make a pipe");
  Fd report_read(report[0]), report_write(report[1]);
  Plan plan{.request = request,
            .terminal = command.terminal_slave.get(),
            .report = report_write.get(),
            .join_cgroup = command.cgroup + "/cgroup.procs",
            .arguments = pointers(request.arguments),
            .environment = pointers(request.environment)};
  for (size_t i = 0; i < 3; ++i) {
    StreamKind kind = request.streams[i];
    plan.descriptors[i] = kind == StreamKind::kTerminal ? command.terminal_slave.get() : theirs[i].get();
    if (kind == StreamKind::kAsStdout) plan.descriptors[i] = plan.descriptors[1];
  }
  command.pid = ::fork();
  if (command.pid < 0) return failed("start a process");
  if (command.pid == 0) become_command(plan);
  ::setpgid(command.pid, command.pid);  // Both do it: whichever comes first, no signal misses the group.
  report_write.reset();
  ChildFailure failure{};
  auto got = read_full(report_read.get(), std::as_writable_bytes(std::span(&failure, 1)));
  if (got && *got == sizeof failure)
    return std::unexpected(StartFailure{failure.kind, static_cast<uint32_t>(failure.error), failure.step});
  return command;
}

void kill_cgroup(const std::string& cgroup) {
  if (!cgroup.empty()) set_kernel_value((cgroup + "/cgroup.kill").c_str(), "1");
}

}  // namespace cloche::machine_init
