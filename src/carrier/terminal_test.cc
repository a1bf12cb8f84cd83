#include "carrier/terminal.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "base/fd.h"
#include "carrier/output.h"

namespace cloche::carrier {
namespace {

// Runs `test` in a session of its own with a terminal as its stdin; true when it returned true.
template <typename Test>
bool on_terminal(Test test) {
  int master = -1;
  winsize size{31, 77, 0, 0};
  pid_t pid = ::forkpty(&master, nullptr, nullptr, &size);
  if (pid == 0) ::_exit(test() ? 0 : 1);
  int status = 0;
  ::waitpid(pid, &status, 0);
  ::close(master);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

termios settings_of(int fd) {
  termios now{};
  ::tcgetattr(fd, &now);
  return now;
}

TEST(Terminal, RawModeAndBack) {
  EXPECT_TRUE(on_terminal([] {
    termios before = settings_of(0);
    bool raw = false;
    {
      Terminal terminal(0);
      terminal.enter_raw();
      raw = terminal.raw() && (settings_of(0).c_lflag & (ICANON | ECHO | ISIG)) == 0;
    }
    termios after = settings_of(0);
    return raw && after.c_lflag == before.c_lflag && after.c_iflag == before.c_iflag && after.c_oflag == before.c_oflag;
  }));
}

TEST(Terminal, KnowsItsSizeAndSettings) {
  EXPECT_TRUE(on_terminal([] {
    Terminal terminal(0);
    auto settings = terminal.settings();
    return terminal.present() && terminal.window().rows == 31 && terminal.window().columns == 77 &&
           settings.control != 0 && settings.characters[VINTR] == 3;
  }));
}

TEST(Terminal, LeavesItAloneInTheBackground) {
  EXPECT_TRUE(on_terminal([] {
    pid_t pid = ::fork();
    if (pid == 0) {
      ::setpgid(0, 0);  // Not the terminal's foreground group any more.
      Terminal terminal(0);
      terminal.enter_raw();
      ::_exit(terminal.raw() || terminal.foreground() ? 1 : 0);
    }
    int status = 0;
    ::waitpid(pid, &status, WUNTRACED);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }));
}

TEST(Terminal, RestoresFromTheBackgroundWithoutBeingStopped) {
  EXPECT_TRUE(on_terminal([] {
    pid_t pid = ::fork();
    if (pid == 0) {
      Terminal terminal(0);
      terminal.enter_raw();
      ::setpgid(0, 0);  // As when a shell has taken the terminal back meanwhile.
      terminal.restore();
      ::_exit((settings_of(0).c_lflag & ICANON) != 0 ? 0 : 1);
    }
    int status = 0;
    ::waitpid(pid, &status, WUNTRACED);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }));
}

TEST(Terminal, SomethingElseIsNone) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  Fd reading(ends[0]), writing(ends[1]);
  Terminal pipe(reading.get()), nothing(-1);
  pipe.enter_raw();
  EXPECT_FALSE(pipe.present() || pipe.raw() || nothing.present());
  EXPECT_EQ(nothing.settings().control, 0U);
}

TEST(Output, WritesInOrderAndCounts) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  Fd reading(ends[0]);
  auto wake = EventFd::create().value();
  auto output = Output::create(ends[1], wake).value();
  std::string sent;
  for (int i = 0; i < 1000; ++i) {
    std::string piece = std::to_string(i) + ",";
    output.put(std::as_bytes(std::span(piece)));
    sent += piece;
  }
  std::string got(sent.size(), '\0');
  ASSERT_EQ(read_full(reading.get(), std::as_writable_bytes(std::span(got))).value(), sent.size());
  EXPECT_EQ(got, sent);
  size_t counted = 0;
  while (counted < sent.size()) counted += output.take_written();
  EXPECT_EQ(counted, sent.size());
  EXPECT_FALSE(output.broken());
  while (!output.idle()) ::usleep(1000);
}

TEST(Output, NoReaderIsToldAndNeverWaitedFor) {
  ::signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  auto wake = EventFd::create().value();
  auto output = Output::create(ends[1], wake).value();
  std::string piece = "x";
  output.put(std::as_bytes(std::span(piece)));
  while (!output.broken()) ::usleep(1000);
  EXPECT_TRUE(output.idle());
  output.put(std::as_bytes(std::span(piece)));
  EXPECT_TRUE(output.idle());
  size_t counted = 0;
  while (counted < 2) counted += output.take_written();
  EXPECT_EQ(counted, 2U);
}

}  // namespace
}  // namespace cloche::carrier
