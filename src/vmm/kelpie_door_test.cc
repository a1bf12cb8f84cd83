#include "vmm/kelpie_door.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>

#include "base/testing/turns.h"
#include "sandbox/outer_socket.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;

wire::Exec defaults() {
  return {.arguments = {"agent"}, .environment = {"A=1"}, .working_directory = "/", .limits = {}};
}

class KelpieDoorTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/cloche-door-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    top_ = path;
    sandbox_.directory = top_ + "/box";
    ASSERT_EQ(::mkdir(sandbox_.directory.c_str(), 0700), 0);
    sandbox_.kelpie.socket_path = top_ + "/kelpie.sock";
    loop_ = std::move(EventLoop::create().value());
  }
  void TearDown() override { std::filesystem::remove_all(top_); }

  std::unique_ptr<KelpieDoor> door() {
    auto made = KelpieDoor::create(sandbox_);
    EXPECT_TRUE(made) << made.error().message();
    auto door = std::move(made).value();
    door->attach(*loop_, {.connect =
                              [this](Fd socket, const KelpieDoor::Guest::Done& done) {
                                ++connects_;
                                bool listens = connects_ > refused_;
                                if (listens) led_.push_back(std::move(socket));
                                loop_->post([done, listens] {
                                  done(listens ? Result<void>() : fail(ErrorCode::kUnavailable, "nobody listens"));
                                });
                                if (connects_ == enough_) loop_->stop();
                              },
                          .may_connect = [this] { return may_connect_; }});
    return door;
  }
  Result<Fd> client() const { return sandbox::connect_outer_socket(sandbox_.kelpie.socket_path); }
  // Until the guest was connected to so often.
  void run_until(unsigned connects) {
    enough_ = connects;
    loop_->at(EventLoop::Clock::now() + 10s, [this] {
      ADD_FAILURE() << "waited too long";
      loop_->stop();
    });
    ASSERT_TRUE(loop_->run());
  }

  std::string top_;
  wire::VmSandbox sandbox_;
  std::unique_ptr<EventLoop> loop_;
  bool may_connect_ = true;
  unsigned connects_ = 0, refused_ = 0, enough_ = 0;
  std::vector<Fd> led_;
};

TEST_F(KelpieDoorTest, NobodyConnectsBeforeTheAgentServes) {
  auto door = this->door();
  struct stat status{};
  ASSERT_EQ(::stat(sandbox_.kelpie.socket_path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_FALSE(door->agent_serves());  // Nobody has asked it to.
  EXPECT_FALSE(door->waits_for_agent());
  EXPECT_EQ(client().error().sys_errno, ECONNREFUSED);
  EXPECT_EQ(door->take_request(defaults()), wire::encode(wire::AgentFrame::kKelpieListen, defaults()));
  EXPECT_TRUE(door->take_request(defaults()).empty());
  EXPECT_TRUE(door->waits_for_agent());
  EXPECT_EQ(client().error().sys_errno, ECONNREFUSED);
  EXPECT_TRUE(door->agent_serves());
  EXPECT_FALSE(door->agent_serves());
  EXPECT_FALSE(door->waits_for_agent());
  auto caller = client();
  ASSERT_TRUE(caller);
  run_until(1);
  ASSERT_EQ(led_.size(), 1u);
  ASSERT_TRUE(write_full(led_[0].get(), std::as_bytes(std::span("hi", 2))));
  std::array<std::byte, 2> got;
  EXPECT_EQ(read_full(caller->get(), got).value(), 2u);
}

TEST_F(KelpieDoorTest, OpensWhenTheCommandListens) {
  sandbox_.kelpie.by_command = true;
  refused_ = 3;
  auto door = this->door();
  EXPECT_TRUE(door->take_request(defaults()).empty());
  door->command_began();
  door->command_began();  // A second time is nothing.
  EXPECT_EQ(client().error().sys_errno, ECONNREFUSED);
  run_until(4);
  EXPECT_EQ(connects_, 4u);
  ASSERT_EQ(led_.size(), 1u);
  std::array<std::byte, 1> nothing;
  EXPECT_EQ(read_full(led_[0].get(), nothing).value(), 0u);  // The door's own connection was an empty one.
  EXPECT_TRUE(client());
}

TEST_F(KelpieDoorTest, AGuestThatStandsStillIsNotLedTo) {
  auto door = this->door();
  door->take_request(defaults());
  door->agent_serves();
  may_connect_ = false;
  auto caller = client();
  ASSERT_TRUE(caller);
  run_turns(*loop_, 32);
  EXPECT_EQ(connects_, 0u);
  std::array<std::byte, 1> nothing;
  EXPECT_EQ(read_full(caller->get(), nothing).value(), 0u);
}

TEST_F(KelpieDoorTest, TheGuestsConnectsAreCarriedToTheHostsListener) {
  sandbox_.kelpie.listens = false;
  auto door = this->door();
  EXPECT_EQ(door->take_request(defaults()), wire::encode(wire::AgentFrame::kKelpieConnect, defaults()));
  EXPECT_EQ(door->answer().error().sys_errno, ENOENT);
  Fd listener = sandbox::bind_outer_socket(sandbox_.kelpie.socket_path, top_).value();
  EXPECT_EQ(door->answer().error().sys_errno, ECONNREFUSED);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  EXPECT_TRUE(door->agent_serves());
  EXPECT_TRUE(door->answer());
  Fd accepted(::accept(listener.get(), nullptr, nullptr));
  EXPECT_TRUE(accepted);
}

TEST_F(KelpieDoorTest, WhatIsThereIsRefusedAndWhatWasLeftBehindIsNot) {
  auto first = KelpieDoor::create(sandbox_);
  ASSERT_TRUE(first);
  first->reset();  // As if killed: the socket stays.
  EXPECT_TRUE(KelpieDoor::create(sandbox_));
  // Another sandbox's.
  wire::VmSandbox other = sandbox_;
  other.directory = top_ + "/other";
  ASSERT_EQ(::mkdir(other.directory.c_str(), 0700), 0);
  EXPECT_EQ(KelpieDoor::create(other).error().sys_errno, EEXIST);
  // Something else in its place stays, though it was noted.
  ::unlink(sandbox_.kelpie.socket_path.c_str());
  ASSERT_TRUE(open_file(sandbox_.kelpie.socket_path, O_CREAT | O_WRONLY, 0600));
  sandbox::remove_outer_socket(sandbox_.directory);
  EXPECT_EQ(KelpieDoor::create(sandbox_).error().sys_errno, EEXIST);
  EXPECT_EQ(::access(sandbox_.kelpie.socket_path.c_str(), F_OK), 0);
  ::unlink(sandbox_.kelpie.socket_path.c_str());
  ASSERT_TRUE(KelpieDoor::create(sandbox_));
  sandbox::remove_outer_socket(sandbox_.directory);
  EXPECT_NE(::access(sandbox_.kelpie.socket_path.c_str(), F_OK), 0);
}

TEST_F(KelpieDoorTest, APathMayBeLongerThanASocketsAddress) {
  std::string deep = top_ + "/" + std::string(150, 'd');
  ASSERT_EQ(::mkdir(deep.c_str(), 0700), 0);
  sandbox_.kelpie.socket_path = deep + "/kelpie.sock";
  auto door = this->door();
  door->take_request(defaults());
  door->agent_serves();
  EXPECT_TRUE(client());
  sandbox_.kelpie.socket_path = deep + "/" + std::string(120, 'n');
  EXPECT_EQ(KelpieDoor::create(sandbox_).error().sys_errno, ENAMETOOLONG);
}

}  // namespace
}  // namespace cloche
