#include "guest/init/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

namespace cloche::init {
namespace {

struct Ran {
  wire::Exited exited;
  std::string output;
};

// Runs `start` to its end; both output streams come together.
Ran ran(const wire::Start& start) {
  int pipe[2];
  EXPECT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  auto pid = launch(start, {null, pipe[1], pipe[1]});
  ::close(null);
  ::close(pipe[1]);
  Ran result;
  std::array<char, 4096> chunk;
  for (ssize_t got; (got = ::read(pipe[0], chunk.data(), chunk.size())) > 0;)
    result.output.append(chunk.data(), static_cast<size_t>(got));
  ::close(pipe[0]);
  if (!pid) {
    result.exited = pid.error();
    return result;
  }
  int status = 0;
  EXPECT_EQ(::waitpid(*pid, &status, 0), *pid);
  result.exited.value = static_cast<uint32_t>(WEXITSTATUS(status));
  return result;
}

wire::Start shell(const std::string& script) {
  wire::Start start;
  start.arguments = {"sh", "-c", script};
  start.environment = {"PATH=/usr/bin:/bin", "HOME=/here"};
  start.working_directory.assign(1, '/');  // GCC 12 warns of the literal, wrongly.
  return start;
}

class ProcessTest : public ::testing::Test {
 protected:
  // Leaving all groups takes root; without it that is the step that must be named.
  bool is_root_or_says_so() {
    if (::geteuid() == 0) return true;
    Ran result = ran(shell("exit 0"));
    EXPECT_EQ(result.exited.kind, wire::ExitKind::kFailed);
    EXPECT_EQ(result.exited.what, "leave all groups");
    return false;
  }
};

TEST_F(ProcessTest, RunsInItsOwnSessionWithItsEnvironment) {
  if (!is_root_or_says_so()) return;
  Ran result = ran(shell("env | sort; umask; ps -o sid= -p $$ | tr -d ' ' | grep -qx $$ && echo leader; exit 3"));
  EXPECT_EQ(result.exited.value, 3u);
  EXPECT_EQ(result.output, "HOME=/here\nPATH=/usr/bin:/bin\nPWD=/\n0022\nleader\n");
}

TEST_F(ProcessTest, StaysInOurSessionWhereToldTo) {
  if (!is_root_or_says_so()) return;
  wire::Start start = shell("exit $(($(ps -o sid= -p $$) == $(ps -o sid= -p $PPID) ? 1 : 2))");
  int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  auto pid = launch(start, {null, null, null}, kByName, {.session = Session::kOurs});
  ::close(null);
  ASSERT_TRUE(pid);
  int status = 0;
  ASSERT_EQ(::waitpid(*pid, &status, 0), *pid);
  EXPECT_EQ(WEXITSTATUS(status), 1);
}

// In a child of the test's, which is what becomes the command.
TEST_F(ProcessTest, BecomesTheCommandOrSaysWhyNot) {
  if (!is_root_or_says_so()) return;
  pid_t child = ::fork();
  if (child == 0) {
    wire::Start start = shell("");
    start.arguments = {"no-such-program"};
    bool says_so = become(start, {0, 1, 2}).kind == wire::ExitKind::kNotFound;
    start = shell("exit 7");
    if (says_so) become(start, {0, 1, 2});
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST_F(ProcessTest, HomeIsAddedWhereItIsMissing) {
  if (!is_root_or_says_so()) return;
  wire::Start start = shell("echo $HOME");
  start.environment.pop_back();
  start.uid = 54321;
  EXPECT_EQ(ran(start).output, "/\n");
}

TEST_F(ProcessTest, BecomesTheUser) {
  if (!is_root_or_says_so()) return;
  wire::Start start = shell("id -u; id -g; id -G; grep CapEff /proc/self/status");
  EXPECT_TRUE(ran(start).output.starts_with("0\n0\n0\nCapEff:\t"));
  start.uid = 1234;
  start.gid = 567;
  EXPECT_EQ(ran(start).output, "1234\n567\n567\nCapEff:\t0000000000000000\n");
}

TEST_F(ProcessTest, SetsLimits) {
  if (!is_root_or_says_so()) return;
  wire::Start start = shell("ulimit -n; ulimit -Hn; ulimit -c");
  start.uid = 1234;  // Limits come before the loss of what it takes to raise them.
  start.limits = {{RLIMIT_NOFILE, 100, 200}, {RLIMIT_CORE, 0, 0}};
  EXPECT_EQ(ran(start).output, "100\n200\n0\n");
  start.limits = {{99, 0, 0}};
  EXPECT_EQ(ran(start).exited.what, "set a resource limit");
  start.limits = {{RLIMIT_NOFILE, 200, 100}};
  EXPECT_EQ(ran(start).exited.value, static_cast<uint32_t>(EINVAL));
}

TEST_F(ProcessTest, NoSignalIsBlockedOrIgnored) {
  if (!is_root_or_says_so()) return;
  sigset_t all, before;
  ::sigfillset(&all);
  ::sigprocmask(SIG_BLOCK, &all, &before);
  Ran result = ran(shell("grep SigBlk /proc/self/status"));
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(result.output, "SigBlk:\t0000000000000000\n");
}

TEST_F(ProcessTest, SaysWhyThereIsNoProgram) {
  if (!is_root_or_says_so()) return;
  wire::Start start = shell("");
  start.arguments = {"no-such-program"};
  wire::Exited missing = ran(start).exited;
  EXPECT_EQ(missing.kind, wire::ExitKind::kNotFound);
  EXPECT_EQ(missing.value, static_cast<uint32_t>(ENOENT));
  EXPECT_EQ(missing.what, "no-such-program");
  start.arguments = {"/etc"};
  wire::Exited folder = ran(start).exited;
  EXPECT_EQ(folder.kind, wire::ExitKind::kNotRunnable);
  EXPECT_EQ(folder.value, static_cast<uint32_t>(EACCES));
  start.arguments = {""};
  EXPECT_EQ(ran(start).exited.kind, wire::ExitKind::kNotFound);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "the failed child is still there";
}

TEST_F(ProcessTest, SaysWhichDirectoryItCannotEnter) {
  if (!is_root_or_says_so()) return;
  wire::Start start = shell("");
  start.working_directory = "/no/such/directory";
  wire::Exited exited = ran(start).exited;
  EXPECT_EQ(exited.kind, wire::ExitKind::kFailed);
  EXPECT_EQ(exited.value, static_cast<uint32_t>(ENOENT));
  EXPECT_EQ(exited.what, "enter working directory /no/such/directory");
}

TEST(Launch, NeedsACommand) {
  wire::Start start;
  auto pid = launch(start, {});
  ASSERT_FALSE(pid);
  EXPECT_EQ(pid.error().kind, wire::ExitKind::kFailed);
}

}  // namespace
}  // namespace cloche::init
