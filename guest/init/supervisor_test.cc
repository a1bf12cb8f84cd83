#include "guest/init/supervisor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <thread>

#include "guest/init/testing/fake_host_link.h"

namespace cloche::init {
namespace {

// The host's side of everything, in a thread of PID 1 of a PID namespace: there, killing all processes is safe.
struct Host {
  int control = -1, input = -1, output = -1, error = -1, terminal = -1;

  void signal(uint32_t number) const { write(control, wire::encode_signal(number)); }
  void resize(uint16_t rows, uint16_t columns) const { write(control, wire::encode_resize(rows, columns)); }
  static void write(int to, std::span<const std::byte> bytes) {
    ASSERT_EQ(::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  static void type(int to, std::string_view text) { write(to, std::as_bytes(std::span(text))); }
  // Reads until `text` has come.
  static std::string read_until(int from, std::string_view text) {
    std::string all;
    char byte;
    while (!all.ends_with(text) && ::read(from, &byte, 1) == 1) all += byte;
    return all;
  }
  static std::string read_all(int from) {
    std::string all;
    char chunk[4096];
    for (ssize_t got; (got = ::read(from, chunk, sizeof chunk)) > 0;) all.append(chunk, static_cast<size_t>(got));
    return all;
  }
};

constexpr const char* kHostGone = "host gone";

// Runs the command under a Supervisor; what came of it as "exited 3: ..." with what `host` returned.
std::string supervise(const wire::Start& start, const std::function<std::string(Host&)>& play) {
  if (::getpid() != 1) return "not PID 1";
  Host host;
  host.input = testing::listen_as_host(wire::kStdinPort);
  host.output = testing::listen_as_host(wire::kStdoutPort);
  host.error = testing::listen_as_host(wire::kStderrPort);
  host.terminal = testing::listen_as_host(wire::kTerminalPort);
  int control_ends[2];
  ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control_ends);
  host.control = control_ends[1];
  Control control(control_ends[0]);
  auto streams = std::make_unique<Streams>();
  auto prepared = streams->connect(start);
  if (prepared) prepared = streams->open(start);
  if (!prepared) return "prepare: " + prepared.error().message();
  auto pid = launch(start, streams->command());
  if (!pid) return "launch: " + pid.error().what;
  streams->command_started();
  std::string said;
  std::thread other([&] { said = play(host); });
  wire::Exited exited;
  auto end = Supervisor(control, *streams, exited).run(*pid);
  other.join();
  if (end == Supervisor::End::kHostGone) return kHostGone;
  EXPECT_NE(exited.ended_ns, 0u);
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
  std::string kind = exited.kind == wire::ExitKind::kSignaled ? "signaled " : "exited ";
  return kind + std::to_string(exited.value) + ": " + said;
}

// `body` as PID 1 of a namespace of its own.
std::string as_pid_1(const std::function<std::string()>& body) {
  int pipe[2];
  EXPECT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  pid_t outer = ::fork();
  if (outer == 0) {
    ::alarm(60);
    if (::unshare(CLONE_NEWPID | CLONE_NEWNS) < 0) ::_exit(1);
    pid_t inner = ::fork();
    if (inner == 0) {
      if (::getpid() != 1) ::_exit(1);  // Outside of a namespace the Supervisor would end every process of the machine.
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::signal(SIGPIPE, SIG_DFL);
      ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
      ::mount("proc", "/proc", "proc", 0, nullptr);
      sigset_t child;
      ::sigemptyset(&child);
      ::sigaddset(&child, SIGCHLD);
      ::sigprocmask(SIG_BLOCK, &child, nullptr);
      std::string text = body();
      ::_exit(::write(pipe[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                      !::testing::Test::HasFailure()
                  ? 0
                  : 1);
    }
    int status = 0;
    ::waitpid(inner, &status, 0);
    ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
  }
  ::close(pipe[1]);
  std::string text = Host::read_all(pipe[0]);
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(outer, &status, 0);
  EXPECT_EQ(status, 0);
  return text;
}

std::string run(const std::string& script, wire::Start start, const std::function<std::string(Host&)>& play) {
  start.arguments = {"sh", "-c", script};
  start.environment = {"PATH=/usr/bin:/bin", "HOME=/"};
  return as_pid_1([&] { return supervise(start, play); });
}

class SupervisorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "PID namespaces take root; the VM tests cover this for everyone else";
  }
  SupervisorTest() {
    pipes_.has_stdin = true;
    terminal_.streams = wire::Streams::kTerminal;
    terminal_.rows = 11;
    terminal_.columns = 22;
  }
  wire::Start pipes_, terminal_;
};

TEST_F(SupervisorTest, CarriesAllThreeStreams) {
  EXPECT_EQ(run("cat; echo bad >&2; exit 3", pipes_,
                [](Host& host) {
                  Host::type(host.input, "in\n");
                  ::shutdown(host.input, SHUT_WR);
                  std::string output = Host::read_all(host.output);
                  return output + Host::read_all(host.error);
                }),
            "exited 3: in\nbad\n");
}

TEST_F(SupervisorTest, StdinIsNothingUnlessAskedFor) {
  EXPECT_EQ(run("cat; readlink /proc/self/fd/0", {}, [](Host& host) { return Host::read_all(host.output); }),
            "exited 0: /dev/null\n");
}

TEST_F(SupervisorTest, WaitsForASlowReaderOfMuchOutput) {
  EXPECT_EQ(run("head -c 3000000 /dev/zero; head -c 1000000 /dev/zero >&2; kill -9 $$", pipes_,
                [](Host& host) {
                  ::usleep(300'000);
                  std::string error;
                  std::thread other([&] { error = Host::read_all(host.error); });
                  std::string output = Host::read_all(host.output);
                  other.join();
                  return std::to_string(output.size()) + " " + std::to_string(error.size());
                }),
            "signaled 9: 3000000 1000000");
}

TEST_F(SupervisorTest, WhatTheCommandLeavesRunningEndsWithIt) {
  EXPECT_EQ(run("setsid sleep 1000 & (trap '' TERM HUP INT; sleep 1000) & echo done", pipes_,
                [](Host& host) { return Host::read_all(host.output); }),
            "exited 0: done\n");
}

TEST_F(SupervisorTest, ReapsOrphans) {
  EXPECT_EQ(run("for i in 1 2 3; do (sleep 0.1 &) ; done; sleep 0.5; ps ax -o stat= | grep -c Z; exit 0", pipes_,
                [](Host& host) { return Host::read_all(host.output); }),
            "exited 0: 0\n");
}

TEST_F(SupervisorTest, SignalsGoToTheProcessGroup) {
  EXPECT_EQ(
      run("(trap 'echo child; exit' TERM; echo up; while :; do sleep 0.05; done) & trap 'wait; exit 5' TERM; wait",
          pipes_,
          [](Host& host) {
            std::string output = Host::read_until(host.output, "up\n");
            host.signal(SIGTERM);
            return output + Host::read_all(host.output);
          }),
      "exited 5: up\nchild\n");
}

TEST_F(SupervisorTest, GoneReaderMeansSigpipe) {
  EXPECT_EQ(run("trap '' HUP; exec yes", pipes_,
                [](Host& host) {
                  ::close(host.output);
                  return std::string();
                }),
            "signaled 13: ");
}

TEST_F(SupervisorTest, GoneHostIsSeenAtOnce) {
  EXPECT_EQ(run("sleep 1000", pipes_,
                [](Host& host) {
                  ::close(host.control);
                  return std::string();
                }),
            kHostGone);
}

TEST_F(SupervisorTest, TerminalHasItsSizeAndIsResized) {
  EXPECT_EQ(
      run("trap 'stty size; exit' WINCH; test -t 0 && test -t 2 && stty size; while :; do sleep 0.05; done", terminal_,
          [](Host& host) {
            std::string output = Host::read_until(host.terminal, "\n");
            host.resize(33, 44);
            return output + Host::read_all(host.terminal);
          }),
      "exited 0: 11 22\r\n33 44\r\n");
}

TEST_F(SupervisorTest, TerminalEndsItsInputOnHalfClose) {
  EXPECT_EQ(run("stty -echo; echo ready; cat; echo end", terminal_,
                [](Host& host) {
                  std::string output = Host::read_until(host.terminal, "\n");
                  Host::type(host.terminal, "typed\n");
                  ::shutdown(host.terminal, SHUT_WR);
                  return output + Host::read_all(host.terminal);
                }),
            "exited 0: ready\r\ntyped\r\nend\r\n");
}

TEST_F(SupervisorTest, TerminalOutputRightBeforeTheEndIsWhole) {
  EXPECT_EQ(run("seq 1 20000", terminal_,
                [](Host& host) {
                  ::usleep(100'000);
                  std::string output = Host::read_all(host.terminal);
                  return output.substr(output.size() - 7) + std::to_string(output.size());
                }),
            "exited 0: 20000\r\n128894");
}

TEST_F(SupervisorTest, TerminalKeysAreSignals) {
  EXPECT_EQ(run("stty -echo; trap 'echo int; exit 9' INT; echo up; while :; do sleep 0.05; done", terminal_,
                [](Host& host) {
                  std::string output = Host::read_until(host.terminal, "\n");
                  Host::type(host.terminal, "\x03");
                  return output + Host::read_all(host.terminal);
                }),
            "exited 9: up\r\nint\r\n");
}

TEST_F(SupervisorTest, TerminalForegroundGroupGetsSignalsToo) {
  EXPECT_EQ(run("set -m; trap 'echo leader' TERM; sh -c 'trap \"echo job; exit 0\" TERM; echo up; while :; do sleep "
                "0.05; done' 2>/dev/null; exit 4",
                terminal_,
                [](Host& host) {
                  std::string output = Host::read_until(host.terminal, "\n");
                  host.signal(SIGTERM);
                  return output + Host::read_all(host.terminal);
                }),
            "exited 4: up\r\njob\r\nleader\r\n");
}

TEST_F(SupervisorTest, HostThatHangsUpTheTerminalHangsUpItsSession) {
  EXPECT_EQ(run("exec sleep 1000", terminal_,
                [](Host& host) {
                  ::close(host.terminal);
                  return std::string();
                }),
            "signaled 1: ");
}

}  // namespace
}  // namespace cloche::init
