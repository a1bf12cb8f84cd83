#include "guest/agent/exec.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "guest/agent/testing/host.h"

namespace cloche::agent {
namespace {

using testing::Host;
using testing::shell;
using testing::text_of;
using wire::AgentFrame;
using wire::ExitKind;

// Leaving all groups takes root, in tests as in a guest.
class ExecTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() == 0) return;
    Host host;
    auto ran = host.run(shell("exit 0"));
    EXPECT_EQ(ran.ended.kind, ExitKind::kFailed);
    EXPECT_EQ(ran.ended.what, "leave all groups");
    GTEST_SKIP() << "an agent is root";
  }
};

TEST_F(ExecTest, StreamsComeApartAndWhole) {
  Host host;
  auto exec = shell("cat; echo error >&2; exit 3");
  exec.has_input = true;
  auto ran = host.run(exec, "some input");
  EXPECT_EQ(ran.ended.kind, ExitKind::kExited);
  EXPECT_EQ(ran.ended.value, 3u);
  EXPECT_EQ(ran.output, "some input");
  EXPECT_EQ(ran.error, "error\n");
  EXPECT_FALSE(ran.ended.timed_out);
}

TEST_F(ExecTest, OneAfterTheOtherOnOneConnection) {
  Host host;
  for (uint32_t code = 0; code < 20; ++code)
    EXPECT_EQ(host.run(shell("exit " + std::to_string(code))).ended.value, code);
}

TEST_F(ExecTest, MuchOutputArrivesWhole) {
  Host host;
  auto ran = host.run(shell("head -c 3000000 /dev/zero | tr '\\0' x; head -c 1000000 /dev/zero >&2"));
  EXPECT_EQ(ran.output, std::string(3'000'000, 'x'));
  EXPECT_EQ(ran.error, std::string(1'000'000, '\0'));
}

TEST_F(ExecTest, ASignalIsTold) {
  Host host;
  auto ran = host.run(shell("kill -9 $$"));
  EXPECT_EQ(ran.ended.kind, ExitKind::kSignaled);
  EXPECT_EQ(ran.ended.value, 9u);
}

TEST_F(ExecTest, WhatCannotRunSaysWhy) {
  Host host;
  auto exec = shell("");
  exec.arguments = {"no-such-program"};
  EXPECT_EQ(host.run(exec).ended.kind, ExitKind::kNotFound);
  exec.arguments = {"/etc/passwd"};
  EXPECT_EQ(host.run(exec).ended.kind, ExitKind::kNotRunnable);
  exec = shell("exit 0");
  exec.working_directory = "/no/such/place";
  auto ran = host.run(exec);
  EXPECT_EQ(ran.ended.kind, ExitKind::kFailed);
  EXPECT_EQ(ran.ended.what, "enter working directory /no/such/place");
  EXPECT_EQ(host.run(shell("exit 4")).ended.value, 4u);
}

TEST_F(ExecTest, ASignalOfTheHostReachesTheCommand) {
  Host host;
  auto exec = shell("trap 'exit 7' USR1; echo ready; read line");
  exec.has_input = true;
  host.send(wire::encode(AgentFrame::kExec, exec));
  host.expect(AgentFrame::kExecuted);
  EXPECT_EQ(text_of(host.expect(AgentFrame::kOutput)), "ready\n");
  host.send(wire::encode_number(AgentFrame::kSignal, SIGUSR1));
  wire::ExecEnded ended;
  ASSERT_TRUE(wire::decode_message(host.expect(AgentFrame::kEnded), ended));
  EXPECT_EQ(ended.value, 7u);
}

TEST_F(ExecTest, TheDeadlineEndsWhatIgnoresSigterm) {
  Host host;
  auto exec = shell("trap '' TERM; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1000 & done; wait; sleep 1000");
  exec.timeout_ms = 100;
  exec.grace_ms = 100;
  auto ran = host.run(exec);
  EXPECT_TRUE(ran.ended.timed_out);
  EXPECT_EQ(ran.ended.kind, ExitKind::kSignaled);
  EXPECT_EQ(ran.ended.value, static_cast<uint32_t>(SIGKILL));
}

TEST_F(ExecTest, TheDeadlineComesThoughNobodyReads) {
  Host host;
  auto exec = shell("cat /dev/zero");
  exec.timeout_ms = 50;
  host.send(wire::encode(AgentFrame::kExec, exec));
  host.expect(AgentFrame::kExecuted);
  ::usleep(200'000);
  Frame frame;
  while ((frame = host.receive()).type == AgentFrame::kOutput) {
  }
  wire::ExecEnded ended;
  ASSERT_EQ(frame.type, AgentFrame::kEnded);
  ASSERT_TRUE(wire::decode_message(frame.payload, ended));
  EXPECT_TRUE(ended.timed_out);
}

TEST_F(ExecTest, AHostThatGoesTakesTheCommandAlong) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  Fd reading(pipe[0]);
  {
    Host host;
    auto exec = shell("exec 9>/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(pipe[1]) +
                      "; echo open; sleep 1000 & sleep 1000");
    host.send(wire::encode(AgentFrame::kExec, exec));
    host.expect(AgentFrame::kExecuted);
    EXPECT_EQ(text_of(host.expect(AgentFrame::kOutput)), "open\n");
  }
  ::close(pipe[1]);
  char byte;
  EXPECT_EQ(::read(pipe[0], &byte, 1), 0);  // Nobody has it open any more.
}

TEST_F(ExecTest, ABackgroundProcessDoesNotHoldItUp) {
  Host host;
  auto ran = host.run(shell("sleep 5 & echo $!"));
  EXPECT_EQ(ran.ended.value, 0u);
  EXPECT_EQ(::kill(std::stoi(ran.output), SIGKILL), 0);  // It lives on.
}

TEST_F(ExecTest, ABackgroundProcessMayWriteAfterTheCommandsEnd) {
  char file[] = "/tmp/cloche-lived-XXXXXX";
  Fd made(::mkstemp(file));
  Host host;
  std::string script = "(sleep 0.3; for i in 1 2; do head -c 100000 /dev/zero; echo y >&2; done; echo lived > ";
  EXPECT_EQ(host.run(shell(script + file + ") &")).ended.value, 0u);
  std::string text;
  for (int i = 0; i < 500 && text.empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    text = read_text_file(file, 100).value_or("");
  }
  EXPECT_EQ(text, "lived\n");
  ::unlink(file);
}

TEST_F(ExecTest, InputBeyondTheWindowIsCutAndSaid) {
  Host host;
  auto exec = shell("sleep 0.2; wc -c");
  exec.has_input = true;
  host.send(wire::encode(AgentFrame::kExec, exec));
  host.expect(AgentFrame::kExecuted);
  for (int i = 0; i < 8; ++i) host.send(wire::encode_text(AgentFrame::kInput, std::string(64 << 10, 'x')));
  bool said = false;
  for (Frame frame = host.receive(); frame.type != AgentFrame::kEnded && frame.type != AgentFrame{};
       frame = host.receive())
    said = said || frame.type == AgentFrame::kError;
  EXPECT_TRUE(said);
}

TEST_F(ExecTest, InputIsTakenAsTheCommandReadsIt) {
  Host host;
  auto exec = shell("wc -c");
  exec.has_input = true;
  host.send(wire::encode(AgentFrame::kExec, exec));
  host.expect(AgentFrame::kExecuted);
  constexpr size_t kTotal = 4 << 20;
  size_t sent = 0, taken = 0;
  while (taken < kTotal) {
    while (sent < kTotal && sent - taken + wire::kMaxDataBytes <= wire::kInputWindow) {
      host.send(wire::encode_text(AgentFrame::kInput, std::string(wire::kMaxDataBytes, 'x')));
      sent += wire::kMaxDataBytes;
    }
    uint32_t count = 0;
    ASSERT_TRUE(wire::decode_number(host.expect(AgentFrame::kInputTaken), count));
    taken += count;
  }
  host.send(wire::encode_text(AgentFrame::kInput, {}));
  EXPECT_EQ(text_of(host.expect(AgentFrame::kOutput)), "4194304\n");
}

TEST_F(ExecTest, ATerminalHasItsSizeAndItsEndOfFile) {
  Host host;
  auto exec = shell("stty size; cat");
  exec.streams = wire::Streams::kTerminal;
  exec.has_input = true;
  exec.rows = 33;
  exec.columns = 101;
  auto ran = host.run(exec, "line\n");
  EXPECT_EQ(ran.ended.value, 0u);
  EXPECT_NE(ran.output.find("33 101\r\n"), std::string::npos) << ran.output;
  EXPECT_NE(ran.output.find("line\r\n"), std::string::npos) << ran.output;
}

TEST_F(ExecTest, NothingIsLeftOverAfterMany) {
  Host host;
  auto open_files = [&host] {
    host.send(wire::encode_bytes(AgentFrame::kPing, {}));
    host.expect(AgentFrame::kPong);  // It is done with the command before.
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
  };
  auto exec = shell("exit 0");
  exec.has_input = true;
  auto before = open_files();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(host.run(exec, "x").ended.value, 0u);
  EXPECT_EQ(open_files(), before);
  auto inside = host.run(shell("ls /proc/self/fd | wc -l")).output;
  EXPECT_EQ(host.run(shell("ls /proc/self/fd | wc -l")).output, inside);
}

}  // namespace
}  // namespace cloche::agent
