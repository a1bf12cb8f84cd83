#include "vmm/health.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "sandbox/peer.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;
using sandbox::Peer;
using wire::AgentFrame;

// The test plays the guest's agent on the other ends, between turns of the loop.
class HealthTest : public testing::Test {
 protected:
  void SetUp() override { loop_ = std::move(EventLoop::create().value()); }

  void make(wire::VmHealth wanted) {
    wanted.command.arguments = {"check"};
    health_.emplace(*loop_, wanted,
                    Health::Needs{.connect = [this](AgentLink::Events events) { return connect(std::move(events)); },
                                  .report =
                                      [this](const Health::Report& report) {
                                        reports_.push_back(report);
                                        loop_->stop();
                                      }});
  }
  Result<std::unique_ptr<AgentLink>> connect(AgentLink::Events events) {
    if (refuse_) return fail(ErrorCode::kHost, "no connection");
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return fail_errno("socketpair");
    auto link = AgentLink::create(*loop_, Fd(ends[0]), std::move(events));
    agents_.push_back(std::make_unique<Peer>(Fd(ends[1])));
    loop_->stop();
    return link;
  }
  // Until stop() is called by something that happened.
  void turn() { ASSERT_TRUE(loop_->run()); }
  // At most so long, and no longer than to the next report.
  void turn_for(std::chrono::milliseconds time) {
    bool over = false;
    size_t before = reports_.size();
    auto timer = loop_->at(EventLoop::Clock::now() + time, [&] {
      over = true;
      loop_->stop();
    });
    while (!over && reports_.size() == before) turn();
    loop_->cancel(timer);
  }
  // A check up to the command's begin.
  Peer& begin_check() {
    while (agents_.size() == served_) turn();
    Peer& agent = *agents_[served_++];
    EXPECT_TRUE(agent.send(wire::encode(AgentFrame::kWelcome, wire::Welcome{})));
    pollfd answer{agent.fd(), POLLIN, 0};
    while (::poll(&answer, 1, 0) == 0) turn_for(5ms);
    auto asked = agent.receive();
    EXPECT_TRUE(asked && *asked && (*asked)->type == AgentFrame::kExec);
    return agent;
  }
  Health::Report check_ends(const wire::ExecEnded& ended, std::string_view output = "") {
    Peer& agent = begin_check();
    auto bytes = std::as_bytes(std::span(output));
    for (size_t at = 0; at < bytes.size(); at += 1000)
      EXPECT_TRUE(agent.send(
          wire::encode_bytes(AgentFrame::kOutput, bytes.subspan(at).first(std::min<size_t>(1000, bytes.size() - at)))));
    EXPECT_TRUE(agent.send(wire::encode(AgentFrame::kEnded, ended)));
    size_t before = reports_.size();
    turn_for(500ms);
    return reports_.size() > before ? reports_.back() : Health::Report{};
  }

  std::unique_ptr<EventLoop> loop_;
  std::vector<std::unique_ptr<Peer>> agents_;
  size_t served_ = 0;
  std::vector<Health::Report> reports_;
  bool refuse_ = false;
  std::optional<Health> health_;
};

const wire::ExecEnded kGood{.kind = wire::ExitKind::kExited, .value = 0, .what = {}, .timed_out = false};
const wire::ExecEnded kBad{.kind = wire::ExitKind::kExited, .value = 3, .what = {}, .timed_out = false};

TEST_F(HealthTest, SoManyFailuresInARowAreUnhealthy) {
  make({.interval_ms = 5, .retries = 2});
  health_->start();
  EXPECT_EQ(check_ends(kGood).status, HealthStatus::kHealthy);
  Health::Report report = check_ends(kBad, "all is \x1b[31mlost\n");
  EXPECT_EQ(report.status, HealthStatus::kHealthy);
  EXPECT_EQ(report.failures, 1u);
  EXPECT_EQ(report.output, "all is \\x1b[31mlost\n(it ended with code 3)");
  EXPECT_EQ(check_ends(kGood).failures, 0u);
  check_ends(kBad);
  EXPECT_EQ(check_ends(kBad).status, HealthStatus::kUnhealthy);
  EXPECT_EQ(check_ends(kGood).status, HealthStatus::kHealthy);
}

TEST_F(HealthTest, WhatIsKnownAlreadyIsNotReported) {
  make({.interval_ms = 5, .retries = 2});
  health_->start();
  check_ends(kGood);
  check_ends(kGood);
  EXPECT_EQ(reports_.size(), 1u);
}

TEST_F(HealthTest, FailuresInTheStartPeriodDoNotCount) {
  make({.interval_ms = 5, .start_period_ms = 3'600'000, .retries = 1});
  health_->start();
  Health::Report report = check_ends(kBad);
  EXPECT_EQ(report.status, HealthStatus::kStarting);
  EXPECT_EQ(report.failures, 0u);
  EXPECT_NE(report.output, "");
  check_ends(kGood);
  EXPECT_EQ(check_ends(kBad).status, HealthStatus::kUnhealthy);  // Once it was healthy they do.
}

TEST_F(HealthTest, TheEndOfLongOutputIsKept) {
  make({.interval_ms = 5, .retries = 1});
  health_->start();
  std::string output = std::string(10'000, 'x') + "end";
  Health::Report report = check_ends(kBad, output);
  EXPECT_EQ(report.output, std::string(Health::kMostOutput - 3, 'x') + "end\n(it ended with code 3)");
}

TEST_F(HealthTest, EveryOtherEndIsAFailure) {
  make({.interval_ms = 5, .retries = 100});
  health_->start();
  EXPECT_NE(check_ends({wire::ExitKind::kSignaled, 9, "", false}).output.find("signal 9"), std::string::npos);
  EXPECT_NE(check_ends({wire::ExitKind::kNotFound, 2, "\x1b", false}).output.find("\\x1b: not found"),
            std::string::npos);
  EXPECT_NE(check_ends({wire::ExitKind::kExited, 0, "", true}).output.find("longer"), std::string::npos);
  // An agent that breaks its protocol, closes, refuses, and one that cannot be reached.
  size_t before = reports_.size();
  ASSERT_TRUE(begin_check().send(wire::encode_bytes(AgentFrame::kEnded, {})));
  turn_for(5s);
  begin_check().close();
  turn_for(5s);
  ASSERT_TRUE(begin_check().send_error(EAGAIN, "fork"));
  turn_for(5s);
  refuse_ = true;
  while (reports_.size() < before + 4) turn();
  for (size_t i = before; i < before + 4; ++i) EXPECT_EQ(reports_[i].failures, i + 1);
}

TEST_F(HealthTest, WhatIsHeldDoesNotCount) {
  make({.interval_ms = 5, .retries = 1});
  health_->start();
  Peer& agent = begin_check();
  EXPECT_TRUE(health_->may_be_connected());
  health_->hold();
  auto closed = agent.receive();
  EXPECT_TRUE(closed && !*closed);  // So its command ends.
  size_t before = agents_.size();
  turn_for(100ms);
  EXPECT_EQ(agents_.size(), before);
  EXPECT_TRUE(reports_.empty());
  health_->start();
  EXPECT_EQ(check_ends(kGood).status, HealthStatus::kHealthy);
}

}  // namespace
}  // namespace cloche
