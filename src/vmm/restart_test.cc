#include "vmm/restart.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "sandbox/control_client.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;
using wire::VmRestartWhen;

TEST(Restart, OnlyWhatItsPolicySays) {
  EXPECT_FALSE(pause_before_restart({}, {.failed = true}));
  EXPECT_FALSE(pause_before_restart({.when = VmRestartWhen::kOnFailure}, {.failed = false}));
  EXPECT_TRUE(pause_before_restart({.when = VmRestartWhen::kOnFailure}, {.failed = true}));
  EXPECT_TRUE(pause_before_restart({.when = VmRestartWhen::kAlways}, {.failed = false}));
  EXPECT_TRUE(pause_before_restart({.when = VmRestartWhen::kAlways, .count = UINT32_MAX}, {.failed = true}));
}

TEST(Restart, OnlySoManyTimes) {
  wire::VmRestart policy{.when = VmRestartWhen::kOnFailure, .most = 2};
  for (policy.count = 0; policy.count < 2; ++policy.count) EXPECT_TRUE(pause_before_restart(policy, {.failed = true}));
  EXPECT_FALSE(pause_before_restart(policy, {.failed = true}));
}

TEST(Restart, PausesGrowToAMinuteAndAGoodLifeEndsThat) {
  wire::VmRestart policy{.when = VmRestartWhen::kAlways};
  std::vector<std::chrono::milliseconds> pauses;
  for (int i = 0; i < 12; ++i) {
    pauses.push_back(*pause_before_restart(policy, {.failed = true, .good_for = 9999ms}));
    policy.pause_ms = static_cast<uint32_t>(pauses.back().count());
  }
  EXPECT_EQ(pauses, (std::vector<std::chrono::milliseconds>{100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 6400ms, 12800ms,
                                                            25600ms, 51200ms, 60s, 60s}));
  EXPECT_EQ(pause_before_restart(policy, {.failed = true, .good_for = 10s}), 100ms);
}

class RestTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/cloche-rest-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    top_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(top_); }

  // The end of a rest of an hour during which somebody asks for something.
  RestEnd asked(wire::ControlFrame type, Result<void>& answer) {
    std::thread client([&] {
      auto until = sandbox::Clock::now() + 10s;
      for (;;) {
        auto control = sandbox::ControlClient::connect(top_);
        if (!control && sandbox::Clock::now() < until) continue;
        ASSERT_TRUE(control);
        answer = type == wire::ControlFrame::kStop ? control->ask(type, 1, until) : control->ask(type, until);
        if (!answer) answer = control->ask(type, until);  // A refusal ends nothing.
        if (!answer) {
          ASSERT_TRUE(control->ask(wire::ControlFrame::kKill, until));
        }
        return;
      }
    });
    auto end = rest({.run_directory = top_, .pause = 1h});
    client.join();
    return end.value();
  }

  std::string top_;
};

TEST_F(RestTest, IsOverByItself) {
  EXPECT_EQ(rest({.run_directory = top_, .pause = 10ms}).value(), RestEnd::kOver);
  EXPECT_EQ(rest({.run_directory = top_, .pause = 1h, .lifetime = 10ms}).value(), RestEnd::kLifetime);
  EXPECT_FALSE(rest({.run_directory = top_ + "/nowhere", .pause = 10ms}));
}

TEST_F(RestTest, SomebodyEndsIt) {
  Result<void> answer;
  EXPECT_EQ(asked(wire::ControlFrame::kStop, answer), RestEnd::kStopped);
  EXPECT_TRUE(answer);
  EXPECT_EQ(asked(wire::ControlFrame::kKill, answer), RestEnd::kKilled);
  EXPECT_TRUE(answer);
}

TEST_F(RestTest, NothingElseIsDoneMeanwhile) {
  for (auto type : {wire::ControlFrame::kPause, wire::ControlFrame::kResume}) {
    Result<void> answer;
    EXPECT_EQ(asked(type, answer), RestEnd::kKilled);
    ASSERT_FALSE(answer);
    EXPECT_NE(answer.error().what.find("restarting"), std::string::npos);
  }
}

}  // namespace
}  // namespace cloche
