// machine-init: PID 1 of the emulated computer behind `cloche machine`. It makes the host's file system its own root,
// waits for cloche on the one network wire, and serves each connection in a process of its own. Idle for long enough,
// it powers off.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <set>

#include "carrier/protocol.h"
#include "mounts.h"
#include "network.h"
#include "power.h"
#include "session.h"

namespace cloche::machine_init {
namespace {

constexpr size_t kMaxClients = 512;  // At once; more wait in the listen queue.
constexpr int kIdleCheck_ms = 20'000;

void say(std::string_view line) { fmt::print(stderr, "cloche-machine: {}\n", line); }

uint64_t number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = ::getenv(name);
  uint64_t value = otherwise;
  if (text != nullptr) std::from_chars(text, text + std::string_view(text).size(), value);
  return value;
}

// The kernel hands "NAME=value" of its command line to PID 1 as environment; the token must not be seen there, so it is
// a file of QEMU's firmware configuration.
Result<std::string> read_token() {
  std::string text =
      TRY(read_text_file("/sys/firmware/qemu_fw_cfg/by_name/opt/cloche/token/raw", carrier::kTokenBytes));
  if (text.size() != carrier::kTokenBytes) return fail(ErrorCode::kHost, "the token has the wrong size");
  return text;
}

// Groups of commands that have ended; a group with processes left (a sandbox in the background) keeps the machine from
// idling.
bool sweep_cgroups() {
  bool busy = false;
  std::error_code error;
  for (const auto& each : std::filesystem::directory_iterator("/sys/fs/cgroup/commands", error)) {
    if (!each.is_directory(error)) continue;
    if (::rmdir(each.path().c_str()) < 0) busy = true;
  }
  return busy;
}

class Agent {
 public:
  Agent(Fd listener, std::string token, Shared& shared)
      : listener_(std::move(listener)), token_(std::move(token)), shared_(shared) {}

  // Until the machine is to be powered off.
  void run() {
    sigset_t watched;
    ::sigemptyset(&watched);
    for (int number : {SIGCHLD, SIGTERM}) ::sigaddset(&watched, number);
    ::sigprocmask(SIG_BLOCK, &watched, nullptr);
    Fd signals(::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
    busy_at_ = host_seconds();
    say(carrier::kReadyLine.substr(std::string_view("cloche-machine: ").size()));
    for (;;) {
      pollfd polls[] = {{signals.get(), POLLIN, 0}, {clients_.size() < kMaxClients ? listener_.get() : -1, POLLIN, 0}};
      int ready = ::poll(polls, 2, idle_stop_s_ > 0 ? kIdleCheck_ms : -1);
      if ((polls[0].revents & POLLIN) != 0 && serve_signals(signals.get())) return;
      if ((polls[1].revents & POLLIN) != 0) accept_client();
      if (ready == 0 && idle_for_long()) return;
    }
  }

 private:
  bool serve_signals(int signals) {
    bool end = false;
    signalfd_siginfo info;
    while (::read(signals, &info, sizeof info) == sizeof info)
      if (info.ssi_signo == SIGTERM) end = true;
    for (pid_t pid; (pid = ::waitpid(-1, nullptr, WNOHANG)) > 0;)
      if (clients_.erase(pid) > 0) busy_at_ = host_seconds();
    if (clients_.empty()) shared_.commands = 0;  // A process that was killed did not count itself out.
    return end;
  }

  void accept_client() {
    Fd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection) return;
    uint64_t number = ++connections_;
    pid_t pid = ::fork();
    if (pid > 0) clients_.insert(pid);
    if (pid != 0) return;
    listener_.reset();
    serve_client(std::move(connection), {shared_, token_, number, idle_stop_s_});
    ::_exit(0);
  }

  bool idle_for_long() {
    if (!clients_.empty() || sweep_cgroups()) busy_at_ = host_seconds();
    return host_seconds() - busy_at_ >= idle_stop_s_;
  }

  Fd listener_;
  std::string token_;
  Shared& shared_;
  std::set<pid_t> clients_;
  uint64_t connections_ = 0;
  uint64_t busy_at_ = 0;
  uint64_t idle_stop_s_ = number_from_environment("CLOCHE_IDLE_S", 0);
};

Result<void> run() {
  TRY(mount_everything());
  std::string token = TRY(read_token());
  TRY(bring_up_network());
  const char* name = ::getenv("CLOCHE_HOSTNAME");
  if (name != nullptr) (void)!::sethostname(name, std::string_view(name).size());
  set_kernel_value("/proc/sys/fs/nr_open", "1073741816");
  set_kernel_value("/sys/fs/cgroup/cgroup.subtree_control", "+cpu +memory +pids");
  ::umask(022);
  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return fail_errno("make shared memory");
  auto* shared = new (memory) Shared;
  Fd listener = TRY(listen_for_clients());
  Agent(std::move(listener), std::move(token), *shared).run();
  return {};
}

}  // namespace
}  // namespace cloche::machine_init

int main() {
  using namespace cloche::machine_init;
  auto done = run();
  if (!done) say("failed: " + done.error().message());
  power_off();
}
