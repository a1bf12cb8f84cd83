#include "machine/guest_session.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>
#include <thread>

#include "base/testing/turns.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;

class GuestSessionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    guest_ = Fd(ends[0]);
    ASSERT_TRUE(session_.adopt(Fd(ends[1])));
  }
  void say(std::span<const std::byte> bytes) { ASSERT_TRUE(write_full(guest_.get(), bytes)); }
  void serve() { run_turns(*loop_, 32); }
  std::unique_ptr<EventLoop> loop_ = EventLoop::create().value();
  int hellos_ = 0, exits_ = 0;
  std::vector<std::string> broken_;
  wire::Exited exited_;
  GuestSession session_{*loop_,
                        Log(),
                        {.hello = [this](const wire::Hello&) { ++hellos_; },
                         .exited =
                             [this](const wire::Exited& exited) {
                               ++exits_;
                               exited_ = exited;
                             },
                         .broken = [this](std::string reason) { broken_.push_back(std::move(reason)); }}};
  Fd guest_;
};

TEST_F(GuestSessionTest, HelloThenExitByteByByte) {
  auto bytes = wire::encode(wire::Hello{});
  wire::Exited exited;
  exited.kind = wire::ExitKind::kExited;
  exited.value = 7;
  auto more = wire::encode(exited);
  bytes.insert(bytes.end(), more.begin(), more.end());
  for (std::byte each : bytes) say({&each, 1});
  serve();
  EXPECT_EQ(hellos_, 1);
  EXPECT_EQ(exits_, 1);
  EXPECT_EQ(exited_.value, 7u);
  EXPECT_TRUE(broken_.empty());
}

TEST_F(GuestSessionTest, ALargeStartReachesASlowGuest) {
  wire::Start start;
  start.arguments.assign(4, std::string(1 << 20, 'x'));
  say(wire::encode(wire::Hello{}));
  loop_->post([&] { session_.start(start); });
  std::vector<std::byte> got(wire::encode(start).size());
  std::thread reader([&] {
    std::this_thread::sleep_for(5ms);
    EXPECT_EQ(read_full(guest_.get(), got).value(), got.size());
    loop_->stop();
  });
  ASSERT_TRUE(loop_->run());
  reader.join();
  EXPECT_EQ(got, wire::encode(start));
}

TEST_F(GuestSessionTest, EndOfFileBeforeTheReportIsBroken) {
  say(wire::encode(wire::Hello{}));
  guest_.reset();
  serve();
  ASSERT_EQ(broken_.size(), 1u);
}

TEST_F(GuestSessionTest, FramesOutOfTurnBreakIt) {
  say(wire::encode(wire::Exited{}));  // Before any greeting.
  serve();
  EXPECT_EQ(exits_, 0);
  EXPECT_EQ(broken_.size(), 1u);
}

TEST_F(GuestSessionTest, AnOversizedFrameBreaksItAtItsHeader) {
  wire::Writer header;
  header.put(wire::kMaxFrameBytes + 1);
  header.put(wire::FrameType::kHello);
  header.put(uint16_t{0});
  say(header.bytes());
  serve();
  EXPECT_EQ(broken_.size(), 1u);
}

TEST_F(GuestSessionTest, RandomBytesNeverCrashIt) {
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::byte> noise(random() % 64);
    for (std::byte& each : noise) each = static_cast<std::byte>(random() % 4 == 0 ? random() : 0);
    if (::send(guest_.get(), noise.data(), noise.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) break;
  }
  serve();
  EXPECT_EQ(broken_.size(), 1u);
}

TEST_F(GuestSessionTest, ASecondConnectionIsRefused) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  Fd other(ends[0]);
  EXPECT_FALSE(session_.adopt(Fd(ends[1])));
}

}  // namespace
}  // namespace cloche
