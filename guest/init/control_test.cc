#include "guest/init/control.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

namespace cloche::init {
namespace {

class ControlTest : public ::testing::Test {
 protected:
  ControlTest() {
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_), 0);
    control_.emplace(ends_[0]);
  }
  ~ControlTest() override {
    ::close(ends_[0]);
    hang_up();
  }
  void hang_up() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }
  void send(std::span<const std::byte> bytes) {
    ASSERT_EQ(::send(ends_[1], bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  void send_header(uint32_t payload_size, uint16_t type, uint16_t reserved) {
    wire::Writer to;
    to.put(payload_size);
    to.put(type);
    to.put(reserved);
    send(to.bytes());
  }
  Control& control() { return *control_; }
  int host() const { return ends_[1]; }

 private:
  int ends_[2] = {-1, -1};
  std::optional<Control> control_;
};

wire::Start some_start() {
  wire::Start start;
  start.root_tag = "root";
  start.arguments = {"echo", "hello"};
  return start;
}

TEST_F(ControlTest, GreetsWithItsBirth) {
  ASSERT_TRUE(control().greet(1234));
  std::vector<std::byte> expected = wire::encode(wire::Hello{.boot_ns = 1234}), got(expected.size());
  ASSERT_EQ(::recv(host(), got.data(), got.size(), MSG_WAITALL), static_cast<ssize_t>(got.size()));
  EXPECT_EQ(got, expected);
}

TEST_F(ControlTest, ReceivesStartInPieces) {
  std::thread other([&] {
    for (std::byte each : wire::encode(some_start())) send(std::span(&each, 1));
  });
  auto start = control().receive_start();
  other.join();
  ASSERT_TRUE(start);
  EXPECT_EQ(start->arguments, some_start().arguments);
}

TEST_F(ControlTest, KeepsASignalThatOvertakesStart) {
  send(wire::encode_resize(1, 2));
  send(wire::encode_signal(15));
  send(wire::encode(some_start()));
  ASSERT_TRUE(control().receive_start());
  Order order;
  ASSERT_EQ(control().hear(order), Control::Heard::kOrder);
  EXPECT_EQ(order.kind, Order::Kind::kSignal);
  EXPECT_EQ(order.signal, 15u);
  EXPECT_EQ(control().hear(order), Control::Heard::kNothing);
}

TEST_F(ControlTest, StartEndsWithTheConnection) {
  auto frame = wire::encode(some_start());
  send(std::span(frame).first(frame.size() - 1));
  hang_up();
  auto start = control().receive_start();
  ASSERT_FALSE(start);
  EXPECT_EQ(start.error().sys_errno, ECONNRESET);
}

TEST_F(ControlTest, RefusesAStartThatIsNone) {
  send_header(wire::kMaxFrameBytes + 1, 2, 0);
  EXPECT_EQ(control().receive_start().error().sys_errno, EPROTO);
}

TEST_F(ControlTest, RefusesAStartWithRubbishInside) {
  send_header(3, 2, 0);
  send(std::as_bytes(std::span("xyz", 3)));
  EXPECT_EQ(control().receive_start().error().sys_errno, EPROTO);
}

TEST_F(ControlTest, HearsOrdersHoweverTheyAreCut) {
  std::vector<std::byte> all;
  for (uint32_t signal = 1; signal <= 60; ++signal) {
    for (std::byte each : wire::encode_signal(signal)) all.push_back(each);
    for (std::byte each : wire::encode_resize(static_cast<uint16_t>(signal), 7)) all.push_back(each);
  }
  for (size_t cut = 1; cut < 40; ++cut) {
    std::vector<Order> heard;
    for (size_t at = 0; at < all.size(); at += cut) {
      send(std::span(all).subspan(at, std::min(cut, all.size() - at)));
      Order order;
      while (control().hear(order) == Control::Heard::kOrder) heard.push_back(order);
    }
    ASSERT_EQ(heard.size(), 120u) << cut;
    for (size_t i = 0; i < heard.size(); i += 2) {
      EXPECT_EQ(heard[i].signal, i / 2 + 1);
      EXPECT_EQ(heard[i + 1].rows, i / 2 + 1);
    }
  }
}

TEST_F(ControlTest, PassesOverFramesThatAreNoOrders) {
  for (uint32_t size : {0u, 5u, 247u, 248u, 249u, 600u, 100'000u}) {
    send_header(size, 99, 0);
    send(std::vector<std::byte>(size, std::byte{0xff}));
    send_header(2, 4, 0);  // A signal of the wrong size.
    send(std::vector<std::byte>(2));
    send(wire::encode_signal(size + 1));
    Order order;
    ASSERT_EQ(control().hear(order), Control::Heard::kOrder) << size;
    EXPECT_EQ(order.signal, size + 1);
    EXPECT_EQ(control().hear(order), Control::Heard::kNothing);
  }
}

TEST_F(ControlTest, HostGone) {
  Order order;
  EXPECT_EQ(control().hear(order), Control::Heard::kNothing);
  hang_up();
  EXPECT_EQ(control().hear(order), Control::Heard::kHostGone);
}

TEST_F(ControlTest, HostThatSendsNoFramesIsGone) {
  send_header(1, 4, 1);
  Order order;
  EXPECT_EQ(control().hear(order), Control::Heard::kHostGone);
}

TEST_F(ControlTest, ReportWaitsForTheHostToCloseButNotForEver) {
  uint64_t before = monotonic_ns();
  ASSERT_TRUE(control().report({}, 50));
  EXPECT_GE(monotonic_ns() - before, 50'000'000u);
  hang_up();
  before = monotonic_ns();
  EXPECT_FALSE(control().report({}, 10'000));
  EXPECT_LT(monotonic_ns() - before, 5'000'000'000u);
}

}  // namespace
}  // namespace cloche::init
