#include "vmm/control_server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "sandbox/control_client.h"

namespace cloche {
namespace {

using sandbox::Clock;
using sandbox::ControlClient;
using wire::ControlFrame;

// The loop runs on a thread of its own, as the sandbox's process would.
class ControlServerTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/cloche-control-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    // Longer than sun_path holds.
    top_ = path;
    directory_ = top_ + "/" + std::string(150, 'd');
    ASSERT_EQ(::mkdir(directory_.c_str(), 0700), 0);
    loop_ = std::move(EventLoop::create().value());
    auto server = ControlServer::create(
        *loop_, directory_,
        {.obey = [this](ControlFrame type, uint32_t number) -> Result<void> {
           asked_.emplace_back(type, number);
           if (type == ControlFrame::kPause) return fail(ErrorCode::kUnavailable, "not now", EBUSY);
           return {};
         },
         .may_connect = [this] { return may_connect_; },
         .connect =
             [](Fd client) { static_cast<void>(write_full(client.get(), std::as_bytes(std::span("agent", 5)))); }});
    ASSERT_TRUE(server) << server.error().message();
    server_ = std::move(*server);
    thread_ = std::thread([this] { ASSERT_TRUE(loop_->run()); });
  }
  void TearDown() override {
    loop_->stop();
    thread_.join();
    server_.reset();
    std::filesystem::remove_all(top_);
  }

  static Clock::time_point soon() { return Clock::now() + std::chrono::seconds(10); }
  ControlClient connect() { return std::move(ControlClient::connect(directory_).value()); }
  Fd connect_raw() {
    ControlClient client = connect();
    return client.release();
  }
  // What comes until the server closes.
  static std::string read_all(const Fd& socket) {
    std::string text;
    char buffer[256];
    for (ssize_t got; (got = ::read(socket.get(), buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<size_t>(got));
    return text;
  }

  std::string top_, directory_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<ControlServer> server_;
  std::thread thread_;
  std::vector<std::pair<ControlFrame, uint32_t>> asked_;  // Loop thread; looked at when it has answered.
  Result<void> may_connect_;
};

TEST_F(ControlServerTest, OnlyItsOwnerMayConnect) {
  struct stat status{};
  ASSERT_EQ(::stat((directory_ + "/" + wire::kControlSocket).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST_F(ControlServerTest, AnswersOneRequestAfterTheOther) {
  ControlClient client = connect();
  EXPECT_TRUE(client.ask(ControlFrame::kStop, 1234, soon()));
  auto refused = client.ask(ControlFrame::kPause, soon());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(refused.error().what, "not now");
  EXPECT_EQ(refused.error().sys_errno, EBUSY);
  EXPECT_TRUE(client.ask(ControlFrame::kResume, soon()));
  ASSERT_EQ(asked_.size(), 3u);
  EXPECT_EQ(asked_[0], std::pair(ControlFrame::kStop, uint32_t{1234}));
}

TEST_F(ControlServerTest, HandsOverWhoWantsTheAgent) {
  ControlClient client = connect();
  ASSERT_TRUE(client.ask(ControlFrame::kAgent, soon()));
  EXPECT_EQ(read_all(client.release()), "agent");
  may_connect_ = fail(ErrorCode::kUnavailable, "it sleeps");
  ControlClient other = connect();
  auto refused = other.ask(ControlFrame::kAgent, soon());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what, "it sleeps");
  EXPECT_EQ(read_all(other.release()), "");
}

TEST_F(ControlServerTest, WhatFollowsAWishForTheAgentIsNotRead) {
  Fd socket = connect_raw();
  std::vector<std::byte> both = wire::encode_control(ControlFrame::kAgent);
  for (char each : std::string("for the agent")) both.push_back(static_cast<std::byte>(each));
  ASSERT_TRUE(write_full(socket.get(), both));
  std::array<std::byte, 13> answer;
  ASSERT_EQ(read_full(socket.get(), answer).value(), answer.size());  // kAccepted, then "agent" before it closes.
}

TEST_F(ControlServerTest, WhatIsNoRequestIsRefusedOrDropped) {
  Fd socket = connect_raw();
  std::vector<std::byte> large = wire::encode_control(ControlFrame::kStop);
  large[0] = std::byte{0xff};
  ASSERT_TRUE(write_full(socket.get(), large));
  EXPECT_EQ(read_all(socket), "");
  // A payload where there is to be none, and none where there is to be one.
  ControlClient client = connect();
  EXPECT_FALSE(client.ask(ControlFrame::kResume, 1, soon()));
  EXPECT_FALSE(client.ask(ControlFrame::kStop, soon()));
  EXPECT_TRUE(asked_.empty());
  EXPECT_TRUE(client.ask(ControlFrame::kResume, soon()));
  // Byte by byte is as good as at once.
  Fd slow = connect_raw();
  wire::Writer number;
  number.put(uint32_t{5});
  for (std::byte each : wire::encode_control(ControlFrame::kSignal, std::move(number)))
    ASSERT_TRUE(write_full(slow.get(), std::span(&each, 1)));
  std::array<std::byte, 8> answer;
  ASSERT_EQ(read_full(slow.get(), answer).value(), answer.size());
  EXPECT_EQ(asked_.back(), std::pair(ControlFrame::kSignal, uint32_t{5}));
}

TEST_F(ControlServerTest, ManyClientsWaitTheirTurn) {
  std::vector<Fd> idle;
  for (size_t i = 0; i < ControlServer::kMostClients; ++i) idle.push_back(connect_raw());
  ControlClient late = connect();  // In the kernel's queue.
  EXPECT_EQ(late.ask(ControlFrame::kResume, Clock::now() + std::chrono::milliseconds(200)).error().code,
            ErrorCode::kTimeout);
  idle.pop_back();
  std::array<std::byte, 8> answer;
  Fd socket = late.release();
  EXPECT_EQ(read_full(socket.get(), answer).value(), answer.size());
}

TEST_F(ControlServerTest, ASocketThatIsThereIsReplaced) {
  ControlClient client = connect();
  EXPECT_FALSE(client.wait_for_end(Clock::now() + std::chrono::milliseconds(50)).value());
  loop_->call([this] { server_.reset(); });
  EXPECT_TRUE(client.wait_for_end(soon()).value());
  EXPECT_EQ(ControlClient::connect(directory_).error().code, ErrorCode::kUnavailable);
  loop_->call([this] {
    server_ = std::move(ControlServer::create(*loop_, directory_, {.obey = [](ControlFrame, uint32_t) -> Result<void> {
                          return {};
                        }}).value());
  });
  EXPECT_TRUE(connect().ask(ControlFrame::kResume, soon()));
}

}  // namespace
}  // namespace cloche
