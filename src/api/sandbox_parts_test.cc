// What there is of a sandbox beside its lifecycle (files.h, statistics.h, attach.h, prune.h), against a guest that is
// played: a good one and a hostile one.
#include <gmock/gmock.h>

#include <chrono>
#include <fstream>

#include "api/sandbox_start.h"
#include "api/testing/fake_sandbox.h"
#include "cloche/attach.h"
#include "cloche/files.h"
#include "cloche/prune.h"
#include "cloche/statistics.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using wire::AgentFrame;

std::vector<std::byte> bytes(AgentFrame type, std::string_view text = {}) { return wire::encode_text(type, text); }

TEST(SandboxPlan, WhatASandboxHasNotIsRefused) {
  auto ports = plan_sandbox({.vm = {.vsock_ports = {{.port = 1234, .socket_path = "/x"}}}});
  ASSERT_FALSE(ports);
  EXPECT_EQ(ports.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(ports.error().what, HasSubstr("vsock ports"));
  auto image = plan_sandbox({.vm = {.kernel_image = KernelImage{}}});
  ASSERT_FALSE(image);
  EXPECT_THAT(image.error().what, HasSubstr("kernel"));
}

TEST(SandboxFiles, AnErrorNamesTheSandboxAndHasTheGuestsErrno) {
  FakeSandbox fake;
  fake.serve_agent({wire::encode(AgentFrame::kError, wire::AgentError{ENOENT, "open /f"})});
  auto text = Files(fake.open()).read("/f");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().what, "sandbox box: in the guest: open /f");
  EXPECT_EQ(text.error().sys_errno, ENOENT);
  EXPECT_EQ(text.error().code, ErrorCode::kNotFound);
}

TEST(SandboxFiles, PathsAreCheckedBeforeAnybodyIsAsked) {
  FakeSandbox fake;
  Files files(fake.open());
  EXPECT_EQ(files.read("f").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(files.status(std::string("/a\0b", 4)).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(files.move("/a", "b").error().code, ErrorCode::kInvalidArgument);
}

TEST(SandboxFiles, AFileThatHasNoEndIsTooLarge) {
  FakeSandbox fake;
  fake.serve_agent({bytes(AgentFrame::kData, "1234"), bytes(AgentFrame::kData, "5")});
  auto text = Files(fake.open()).read("/f", 4);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().sys_errno, EFBIG);
  EXPECT_THAT(text.error().what, HasSubstr("/f"));
}

TEST(SandboxFiles, AGuestThatDripsHasADeadlineAllTheSame) {
  FakeSandbox fake;
  fake.serve([](sandbox::Peer& peer) {
    static_cast<void>(peer.send(wire::encode(AgentFrame::kWelcome, wire::Welcome{})));
    while (peer.send(bytes(AgentFrame::kData, "."))) std::this_thread::sleep_for(5ms);
  });
  auto text = Files(fake.open()).read("/f", 1 << 20, 200ms);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::kTimeout);
}

TEST(SandboxFiles, AStatusIsWhatTheGuestSays) {
  FakeSandbox fake;
  fake.serve_agent({wire::encode(
      AgentFrame::kStatusIs,
      wire::FileStatus{.name = "elsewhere", .mode = 0120777, .uid = 1, .gid = 2, .size = 3, .target = "there"})});
  auto status = Files(fake.open()).status("/link");
  ASSERT_TRUE(status) << status.error().message();
  EXPECT_EQ(status->name, "/link");  // What was asked for, whatever the guest makes of it.
  EXPECT_EQ(status->kind, FileKind::kSymbolicLink);
  EXPECT_EQ(status->permissions, 0777u);
  EXPECT_EQ(status->target, "there");
}

TEST(SandboxStatistics, AreTheGuestsAndTheProcesss) {
  FakeSandbox fake;
  wire::Statistics told{.uptime_ns = 1, .user_ns = 2, .memory_bytes = 10, .available_bytes = 20, .processes = {}};
  told.processes.push_back({.pid = 9, .state = '\x1b', .command = "evil \x1b[2J" + std::string(5000, 'x')});
  told.processes.push_back({.pid = 5, .state = 'S', .command = "good"});
  fake.serve_agent({wire::encode(AgentFrame::kStatisticsAre, told)});
  auto seen = read_statistics(fake.open());
  ASSERT_TRUE(seen) << seen.error().message();
  EXPECT_EQ(seen->vmm.pid, ::getpid());
  EXPECT_GT(seen->vmm.memory_bytes, 1u << 20);
  EXPECT_GE(seen->vmm.threads, 1u);
  EXPECT_EQ(seen->guest->used_bytes(), 0u);  // No more can be available than there is.
  ASSERT_EQ(seen->guest->processes.size(), 2u);
  EXPECT_EQ(seen->guest->processes[0].command, "good");
  const GuestProcess& evil = seen->guest->processes[1];
  EXPECT_EQ(evil.state, '?');
  EXPECT_EQ(evil.command.find('\x1b'), std::string::npos);
  EXPECT_LT(evil.command.size(), 1100u);
}

TEST(SandboxStatistics, HaveALimit) {
  FakeSandbox fake;
  wire::Statistics told{.processes = std::vector<wire::ProcessStatistics>(100'000)};
  fake.serve_agent({wire::encode(AgentFrame::kStatisticsAre, told)});
  EXPECT_EQ(read_statistics(fake.open()).error().code, ErrorCode::kGuest);
  fake.serve_agent({bytes(AgentFrame::kStatisticsAre, "nonsense")});
  EXPECT_EQ(read_statistics(fake.open()).error().code, ErrorCode::kGuest);
}

TEST(SandboxStatistics, APausedGuestIsNotAsked) {
  FakeSandbox fake;
  fake.set_status(SandboxStatus::kPaused);
  auto seen = read_statistics(fake.open());
  ASSERT_TRUE(seen) << seen.error().message();
  EXPECT_FALSE(seen->guest);
  fake.end(SandboxStatus::kStopped, "it was stopped");
  EXPECT_EQ(read_statistics(fake.open()).error().code, ErrorCode::kUnavailable);
}

SandboxConfig with_input() {
  SandboxConfig config{.name = "box"};
  config.vm.input = Input::kCarried;
  return config;
}

struct Heard {
  std::string output, error;
  AttachConfig config{
      .streams = {-1, -1, -1},
      .on_output = [this](auto text) { output.append(reinterpret_cast<const char*>(text.data()), text.size()); },
      .on_error = [this](auto text) { error.append(reinterpret_cast<const char*>(text.data()), text.size()); }};
};

TEST(SandboxAttachment, CarriesStreamsToTheCommandsEnd) {
  FakeSandbox fake(with_input());
  fake.serve([](sandbox::Peer& peer) {
    auto typed = peer.receive().value();
    EXPECT_TRUE(typed && typed->type == AgentFrame::kInput && typed->payload.size() == 2);
    EXPECT_TRUE(peer.send(bytes(AgentFrame::kOutput, "out")));
    EXPECT_TRUE(peer.send(bytes(AgentFrame::kErrorOutput, "err")));
    EXPECT_TRUE(peer.send(wire::encode(AgentFrame::kEnded, wire::ExecEnded{.value = 7, .what = {}})));
  });
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Fd from(ends[0]), to(ends[1]);
  ASSERT_EQ(::write(to.get(), "hi", 2), 2);
  to.reset();  // Its end is not the command's.
  Heard heard;
  heard.config.streams.input = from.get();
  auto attached = Attachment::create(fake.open(), heard.config);
  ASSERT_TRUE(attached) << attached.error().message();
  auto outcome = attached->wait();
  ASSERT_TRUE(outcome) << outcome.error().message();
  EXPECT_FALSE(outcome->is_detached);
  EXPECT_EQ(outcome->status.by, EndedBy::kExit);
  EXPECT_EQ(outcome->status.value, 7);
  EXPECT_EQ(heard.output, "out");
  EXPECT_EQ(heard.error, "err");
}

TEST(SandboxAttachment, DetachKeysAreNotPassedOn) {
  FakeSandbox fake(with_input());
  std::string typed;
  fake.serve([&](sandbox::Peer& peer) {
    while (auto frame = peer.receive().value_or(std::nullopt))
      typed.append(reinterpret_cast<const char*>(frame->payload.data()), frame->payload.size());
  });
  {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    Fd from(ends[0]), to(ends[1]);
    ASSERT_EQ(::write(to.get(), "ab\x10\x11rest", 8), 8);
    Heard heard;
    heard.config.streams.input = from.get();
    heard.config.detach_keys = "\x10\x11";
    auto attached = Attachment::create(fake.open(), heard.config);
    ASSERT_TRUE(attached) << attached.error().message();
    auto outcome = attached->wait();
    ASSERT_TRUE(outcome) << outcome.error().message();
    EXPECT_TRUE(outcome->is_detached);
  }
  fake.wait();
  EXPECT_EQ(typed, "ab");
}

TEST(SandboxAttachment, WhoIsCutOffIsToldSoAndAStopIsTold) {
  FakeSandbox fake;
  fake.serve([](sandbox::Peer& peer) {
    EXPECT_TRUE(peer.send(wire::encode(AgentFrame::kError, wire::AgentError{0, "cut off"})));
  });
  Heard heard;
  auto cut = Attachment::create(fake.open(), heard.config);
  ASSERT_TRUE(cut);
  EXPECT_THAT(cut->wait().error().what, HasSubstr("cut off"));
  fake.serve([&](sandbox::Peer&) { fake.end(SandboxStatus::kStopped, "it was told to stop"); });
  auto stopped = Attachment::create(fake.open(), heard.config);
  ASSERT_TRUE(stopped);
  auto outcome = stopped->wait();
  ASSERT_TRUE(outcome) << outcome.error().message();
  EXPECT_EQ(outcome->status.by, EndedBy::kLost);
  EXPECT_EQ(outcome->status.reason, LostReason::kStopped);
  EXPECT_EQ(outcome->text, "sandbox box: it was told to stop");
}

TEST(Prune, TakesWhatDoesNotRun) {
  FakeSandbox fake({.name = "box", .labels = {{"team", "x"}}});
  EXPECT_TRUE(prune_sandboxes({}, fake.home())->removed.empty());
  fake.end(SandboxStatus::kExited, "");
  std::ofstream(fake.directory() + "/output.log") << std::string(1 << 20, 'x');
  EXPECT_TRUE(prune_sandboxes({.labels = {{"team", "y"}}}, fake.home())->removed.empty());
  EXPECT_TRUE(prune_sandboxes({.created_before_ns = 1}, fake.home())->removed.empty());
  auto report = prune_sandboxes({.labels = {{"team", std::nullopt}}, .created_before_ns = 2}, fake.home());
  ASSERT_TRUE(report) << report.error().message();
  ASSERT_EQ(report->removed.size(), 1u);
  EXPECT_EQ(report->removed[0].name, "box");
  EXPECT_GE(report->bytes, 1u << 20);
  EXPECT_FALSE(std::filesystem::exists(fake.directory()));
}

}  // namespace
}  // namespace cloche
