// krun-init: the first program of a guest that krun_get_default_init()'s caller has put there. Does what libkrun's
// words on the kernel's command line ask for, runs one command, tells its exit code, and restarts.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>

#include "guest/init/disks.h"
#include "guest/init/network.h"
#include "guest/init/paths.h"
#include "guest/init/power.h"
#include "guest/init/saving.h"
#include "guest/init/settings.h"
#include "guest/init/system.h"
#include "guest/krun-init/exit_code.h"
#include "guest/krun-init/ports.h"
#include "guest/krun-init/request.h"
#include "krun/environment.h"

namespace cloche::krun_init {
namespace {

constexpr int kFailed = 125, kNotRunnable = 126, kNotFound = 127, kSignaled = 128;
constexpr int kFirstFree = 3;  // After the standard streams.
constexpr const char* kNewRoot = "/newroot";

void complain(int stream, const std::string& what, uint32_t sys_errno) {
  ::dprintf(stream, "krun-init: %s: %s\n", what.c_str(), std::strerror(static_cast<int>(sys_errno)));
}

void complain(const Error& error) { complain(STDERR_FILENO, error.what, static_cast<uint32_t>(error.sys_errno)); }

// The console by its own name, in the /dev that is seen: the kernel's descriptor of it has none that a program finds. A
// kernel without a console starts us without descriptors.
void take_console() {
  std::string names;  // The last is what the kernel has as /dev/console.
  std::getline(std::ifstream("/sys/class/tty/console/active"), names);
  std::string path = "/dev/" + names.substr(names.rfind(' ') + 1);
  int opened = ::open(path.c_str(), O_RDWR | O_NOCTTY);
  int console = ::fcntl(opened, F_DUPFD_CLOEXEC, kFirstFree);
  if (opened >= 0) ::close(opened);
  for (int fd = 0; fd < kFirstFree; ++fd) {
    ::dup2(console, fd);
    if (::fcntl(fd, F_GETFD) < 0) static_cast<void>(::open("/dev/null", O_RDWR));
  }
  if (console >= 0) ::close(console);
}

Result<void> mount_system() {
  TRY(init::mount_system());
  take_console();
  return {};
}

Result<void> enter_disk(const wire::RootDevice& device) {
  ::mkdir(kNewRoot, 0755);
  TRY(init::mount_root_device(device, kNewRoot, init::RootUse::kWritten));
  TRY(init::enter(kNewRoot));
  return mount_system();
}

Result<void> mount_memory_at(const std::string& path) {
  struct statx status{};
  bool is_there = ::statx(AT_FDCWD, path.c_str(), 0, STATX_TYPE, &status) == 0;
  if (is_there && (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) return {};
  TRY(init::make_place(path, init::Place::kDirectory));
  return init::mount_at({path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, nullptr});
}

// A network that does not come about is no reason not to run.
Result<void> set_up_network(wire::Start& start) {
  if (::access("/sys/class/net/eth0", F_OK) != 0) start.interfaces.clear();
  init::Network network;
  TRY(network.begin(start));
  return network.finish();
}

// What was set up for every command, whatever it is; the terminal is that of all that run here.
Result<void> prepare(const Words& words, int& host_root) {
  TRY(mount_system());
  ::chmod("/dev/kvm", 0666);
  host_root = open_host_root();
  wire::RootDevice device = root_device_in(words.environment);
  if (!device.path.empty()) TRY(enter_disk(device));
  ::mount(nullptr, "/", nullptr, MS_REC | MS_SHARED, nullptr);
  ::setsid();
  ::ioctl(STDIN_FILENO, TIOCSCTTY, 1);
  init::bring_loopback_up();
  return {};
}

Result<Request> read_request(Words& words) {
  std::getline(std::ifstream("/proc/cmdline"), words.command_line);
  std::string file = krun::value_of(words.environment, "KRUN_CONFIG");
  auto configured = krun::read_config("/", file.empty() ? krun::kConfigFile : file);
  return make_request(words, configured.value_or(krun::ConfiguredProcess()));
}

int wait_for(pid_t command) {
  for (;;) {
    int status = 0;
    pid_t ended = ::waitpid(-1, &status, 0);
    if (ended == command) return WIFSIGNALED(status) ? kSignaled + WTERMSIG(status) : WEXITSTATUS(status);
    if (ended < 0 && errno != EINTR) return kFailed;
  }
}

int code_of(const wire::Exited& failure) {
  if (failure.kind == wire::ExitKind::kNotFound) return kNotFound;
  return failure.kind == wire::ExitKind::kNotRunnable ? kNotRunnable : kFailed;
}

Result<int> run_command(const Request& request) {
  init::CommandStreams streams = TRY(open_streams());
  init::Standing standing{.session = init::Session::kOurs};
  wire::Exited failure;
  if (request.is_first) {
    failure = init::become(request.start, streams, standing);
  } else {
    auto command = init::launch(request.start, streams, init::kByName, standing);
    if (command) {
      close_streams(streams);
      return wait_for(*command);
    }
    failure = std::move(command.error());
  }
  complain(streams.error, failure.what, failure.value);
  return code_of(failure);
}

Result<int> run(Words& words, int& host_root) {
  TRY(prepare(words, host_root));
  Request request = TRY(read_request(words));
  for (const std::string& path : request.memory_mounts) TRY(mount_memory_at(path));
  init::set_hostname(request.start.hostname);
  if (auto network = set_up_network(request.start); !network) complain(network.error());
  return run_command(request);
}

[[noreturn]] void end(int host_root, int code) {
  ::tcdrain(STDIN_FILENO);
  std::string unsaved = init::leave_disks_clean();
  if (!unsaved.empty()) complain(STDERR_FILENO, "save what was written to " + unsaved, EIO);
  tell_exit_code(host_root >= 0 ? host_root : open_host_root(), code);
  init::end_vm();
}

}  // namespace
}  // namespace cloche::krun_init

int main(int, char** arguments) {
  if (::getpid() != 1) {  // It would mount over what is there, end everybody and restart.
    std::fputs("krun-init: is for the first program of a VM\n", stderr);
    return cloche::krun_init::kFailed;
  }
  cloche::krun_init::Words words;
  for (char** each = arguments + 1; *each != nullptr; ++each) words.arguments.emplace_back(*each);
  for (char** each = environ; *each != nullptr; ++each) words.environment.emplace_back(*each);
  int host_root = -1;
  auto code = cloche::krun_init::run(words, host_root);
  if (!code) cloche::krun_init::complain(code.error());
  cloche::krun_init::end(host_root, code.value_or(cloche::krun_init::kFailed));
}
