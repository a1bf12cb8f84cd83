#include "guest/init/process.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "guest/init/failure.h"
#include "guest/init/home.h"
#include "guest/init/search.h"

namespace cloche::init {
namespace {

constexpr size_t kChildStack = 64 << 10;  // The deepest frame is that of a path.
constexpr int kFirstFree = 3;             // After the standard streams.

// All that the child needs, made before it exists. It shares our memory until it executes (CLONE_VM), so that it copies
// no page tables, and writes its failure where we read it; we stand still meanwhile (CLONE_VFORK).
struct Child {
  const wire::Start& start;
  CommandStreams streams;
  const Standing& standing;
  int program = kByName;
  std::vector<char*> arguments{}, environment{};
  std::string home{};  // In the environment.
  wire::Exited failure{};
  bool failed = false;  // Stays so where exec succeeds.
};

Result<void> take_streams(Child& child) {
  if (child.start.streams == wire::Streams::kTerminal && ::ioctl(child.streams.input, TIOCSCTTY, 0) < 0)
    return failed("take the terminal");
  // Out of the way first, if the kernel opened no console, so that no dup2 overwrites one that is still to come.
  for (int* each : {&child.streams.input, &child.streams.output, &child.streams.error})
    if (*each < kFirstFree) *each = ::fcntl(*each, F_DUPFD_CLOEXEC, kFirstFree);
  if (::dup2(child.streams.input, 0) < 0 || ::dup2(child.streams.output, 1) < 0 || ::dup2(child.streams.error, 2) < 0)
    return failed("connect the command's streams");
  return {};
}

Result<void> become_user(const wire::Start& start) {
  // While we are still allowed to raise them.
  for (const wire::ResourceLimit& limit : start.limits) {
    rlimit value{limit.soft, limit.hard};
    if (::setrlimit(static_cast<__rlimit_resource>(limit.resource), &value) < 0) return failed("set a resource limit");
  }
  gid_t root = 0;
  bool is_root = start.uid == 0;
  if (::setgroups(is_root ? 1 : 0, is_root ? &root : nullptr) < 0) return failed("leave all groups");
  if (start.gid != 0 && ::setgid(start.gid) < 0) return failed("become the group");
  if (start.uid != 0 && ::setuid(start.uid) < 0) return failed("become the user");
  return {};
}

// What fails here is no reason not to run. A process that shares its parent's memory for exec (CLONE_VFORK) has an
// order of its own all the same.
void take_standing(const Standing& standing) {
  if (standing.group >= 0) static_cast<void>(!::write(standing.group, "0", 1));
  if (standing.kill_order == nullptr) return;
  int order = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (order < 0) return;
  static_cast<void>(!::write(order, standing.kill_order, std::strlen(standing.kill_order)));
  ::close(order);
}

Result<void> prepare(Child& child) {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (child.standing.session == Session::kOwn) ::setsid();
  take_standing(child.standing);
  TRY(take_streams(child));
  ::umask(022);
  TRY(become_user(child.start));
  const std::string& directory = child.start.working_directory;
  if (!directory.empty() && ::chdir(directory.c_str()) < 0) return failed("enter working directory " + directory);
  return {};
}

wire::Exited explain(const Refusal& refusal, const std::string& command) {
  wire::Exited failure;
  failure.kind = refusal.missing ? wire::ExitKind::kNotFound : wire::ExitKind::kNotRunnable;
  failure.value = static_cast<uint32_t>(refusal.error);
  failure.what = command;
  if (refusal.error == ENOENT && !refusal.missing) failure.what += " (its interpreter or loader is missing)";
  return failure;
}

wire::Exited explain(const Error& error) {
  wire::Exited failure;
  failure.kind = wire::ExitKind::kFailed;
  failure.value = static_cast<uint32_t>(error.sys_errno);
  failure.what = error.what;
  return failure;
}

Refusal become_program(Child& child) {
  char** arguments = child.arguments.data();
  char** environment = child.environment.data();
  if (child.program == kByName) return execute(arguments, environment);
  ::syscall(SYS_execveat, child.program, "", arguments + 1, environment, AT_EMPTY_PATH);
  return {errno, false};
}

void run(Child& child) {
  Result<void> prepared = prepare(child);
  if (!prepared)
    child.failure = explain(prepared.error());
  else
    child.failure = explain(become_program(child), child.start.arguments[0]);
  child.failed = true;
}

int run_child(void* argument) {
  run(*static_cast<Child*>(argument));
  ::_exit(127);
}

// Neither exec nor the command's own changes write through these: exec copies the texts.
char* pointer(const std::string& text) { return const_cast<char*>(text.c_str()); }

std::vector<char*> pointers(const std::vector<std::string>& texts, size_t spare_slots) {
  std::vector<char*> list(spare_slots, nullptr);
  list.reserve(spare_slots + texts.size() + 2);
  for (const std::string& text : texts) list.push_back(pointer(text));
  return list;
}

bool has_home(const std::vector<std::string>& environment) {
  for (const std::string& each : environment)
    if (each.starts_with("HOME=")) return true;
  return false;
}

// False, with the reason, where there is nothing to run.
bool fill(Child& child) {
  if (child.start.arguments.empty()) {
    child.failure = explain(Error{.sys_errno = EINVAL, .what = "start a command without a name"});
    return false;
  }
  child.arguments = pointers(child.start.arguments, 1);  // The free slot that execute() asks for.
  child.environment = pointers(child.start.environment, 0);
  if (!has_home(child.start.environment)) {
    child.home = "HOME=" + home_of(child.start.uid);
    child.environment.push_back(pointer(child.home));
  }
  child.arguments.push_back(nullptr);
  child.environment.push_back(nullptr);
  return true;
}

}  // namespace

std::expected<pid_t, wire::Exited> launch(const wire::Start& start, const CommandStreams& streams, int program,
                                          const Standing& standing) {
  Child child{start, streams, standing, program};
  if (!fill(child)) return std::unexpected(std::move(child.failure));
  alignas(16) static char stack[kChildStack];
  pid_t pid = ::clone(run_child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
  if (pid < 0) return std::unexpected(explain(Error{.sys_errno = errno, .what = "start a process"}));
  if (!child.failed) return pid;
  ::waitpid(pid, nullptr, 0);
  return std::unexpected(std::move(child.failure));
}

wire::Exited become(const wire::Start& start, const CommandStreams& streams, const Standing& standing) {
  Child child{start, streams, standing};
  if (fill(child)) run(child);
  return std::move(child.failure);
}

}  // namespace cloche::init
