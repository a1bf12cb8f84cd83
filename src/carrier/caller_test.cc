#include "carrier/caller.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

namespace cloche::carrier {
namespace {

// Descriptors and signals belong to the process: each case has one of its own.
template <typename Test>
bool in_process(Test test) {
  pid_t pid = ::fork();
  if (pid == 0) ::_exit(test() ? 0 : 1);
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Request describe() { return describe_caller({"true"}, Terminal(-1)); }

void pipe_at(int reading, int writing) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  if (reading >= 0) ::dup2(ends[0], reading);
  if (writing >= 0) ::dup2(ends[1], writing);
}

TEST(Caller, CarriesWhatAProcessHas) {
  EXPECT_TRUE(in_process([] {
    ::setenv("CARRIED", "yes", 1);
    ::umask(027);
    ::signal(SIGUSR1, SIG_IGN);
    if (::chdir("/usr") < 0) return false;
    Request request = describe();
    return std::ranges::count(request.environment, "CARRIED=yes") == 1 && request.umask == 027 &&
           request.working_directory == "/usr" && request.uid == ::geteuid() &&
           (request.ignored_signals >> (SIGUSR1 - 1) & 1) == 1 && !request.limits.empty() && ::umask(0) == 027;
  }));
}

TEST(Caller, TellsClosedDescriptorsAndPipes) {
  EXPECT_TRUE(in_process([] {
    pipe_at(-1, 1);
    pipe_at(-1, 2);
    ::close(0);
    Request request = describe();
    return request.streams[0] == StreamKind::kClosed && request.streams[1] == StreamKind::kPipe &&
           request.streams[2] == StreamKind::kPipe;
  }));
}

TEST(Caller, SeesStderrJoinedToStdout) {
  EXPECT_TRUE(in_process([] {
    pipe_at(0, 1);
    ::dup2(1, 2);
    return describe().streams[2] == StreamKind::kAsStdout;
  }));
  EXPECT_TRUE(in_process([] {
    // One file opened twice is two positions in it.
    int first = ::open("/tmp", O_TMPFILE | O_RDWR, 0600);
    ::dup2(first, 1);
    std::string again = "/proc/self/fd/" + std::to_string(first);
    ::dup2(::open(again.c_str(), O_RDWR), 2);
    return describe().streams[2] == StreamKind::kPipe;
  }));
}

TEST(Caller, SystemStampStaysWhileNothingChanges) { EXPECT_EQ(system_stamp(), system_stamp()); }

}  // namespace
}  // namespace cloche::carrier
