#include "devices/console_ports.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <random>
#include <string>
#include <string_view>

#include "base/testing/turns.h"
#include "virtio/testing/fake_driver.h"

namespace cloche {
namespace {

using virtio::Bytes;
using virtio::FakeDriver;

Bytes bytes(std::string_view text) {
  auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

std::string text(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    out = Fd(ends[0]);
    in = Fd(ends[1]);
  }
  void say(std::string_view words) const {
    EXPECT_EQ(::write(in.get(), words.data(), words.size()), ssize_t(words.size()));
  }
  std::string hear() const {
    std::string heard(1 << 20, '\0');
    ::fcntl(out.get(), F_SETFL, O_NONBLOCK);
    ssize_t got = ::read(out.get(), heard.data(), heard.size());
    heard.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
    return heard;
  }
  Fd out, in;
};

Bytes control(uint32_t port, ConsoleEvent event, uint16_t value) {
  return virtio::bytes_of(ConsoleControl{port, static_cast<uint16_t>(event), value});
}

// A console that is a terminal, then a plain port "data" with both ways and a plain port "out" with one.
class ConsolePortsTest : public testing::Test {
 protected:
  explicit ConsolePortsTest(uint64_t acked = ~0ull) {
    ::signal(SIGPIPE, SIG_IGN);  // As the VM's process does.
    EXPECT_EQ(::openpty(&master_, &slave_, nullptr, nullptr, nullptr), 0);
    set_size(40, 132);
    std::vector<ConsolePort> ports;
    ports.push_back(
        {.kind = PortKind::kConsole, .input = Fd(::dup(slave_)), .output = Fd(::dup(slave_)), .follows_size = true});
    ports.push_back({.name = "data", .input = std::move(to_guest_.out), .output = std::move(from_guest_.in)});
    ports.push_back({.name = "out", .output = std::move(only_out_.in)});
    device_ = std::make_unique<ConsolePorts>(std::move(ports), *loop_, Log());
    driver_ = std::make_unique<FakeDriver>(*device_, acked);
  }
  ~ConsolePortsTest() override {
    driver_.reset();
    device_.reset();
    ::close(master_);
    ::close(slave_);
  }

  void set_size(uint16_t rows, uint16_t columns) {
    winsize size{.ws_row = rows, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    ASSERT_EQ(::ioctl(master_, TIOCSWINSZ, &size), 0);
  }
  void poll_loop() { run_turns(*loop_, 32); }
  void tell(uint32_t port, ConsoleEvent event, uint16_t value) {
    ASSERT_TRUE(driver_->send(ConsolePorts::kControlTransmit, control(port, event, value)));
  }
  // What the device says, as "port:event:value" and the rest as text.
  std::vector<std::string> heard(unsigned buffers = 32) {
    for (unsigned i = 0; i < buffers && driver_->ring(ConsolePorts::kControlReceive).free_descriptors() > 0; ++i)
      driver_->offer(ConsolePorts::kControlReceive, 128);
    EXPECT_TRUE(driver_->kick(ConsolePorts::kControlReceive));
    std::vector<std::string> all;
    for (const virtio::FakeReply& reply : driver_->collect(ConsolePorts::kControlReceive)) {
      ConsoleControl message;
      EXPECT_GE(reply.bytes.size(), sizeof message);
      std::memcpy(&message, reply.bytes.data(), sizeof message);
      std::string rest = text(reply.bytes).substr(sizeof message);
      if (message.event == static_cast<uint16_t>(ConsoleEvent::kResize)) {
        ConsoleResize size;
        EXPECT_EQ(rest.size(), sizeof size);
        std::memcpy(&size, rest.data(), sizeof size);
        rest = std::to_string(size.columns) + "x" + std::to_string(size.rows);
      }
      all.push_back(std::to_string(message.port) + ":" + std::to_string(message.event) + ":" +
                    std::to_string(message.value) + rest);
    }
    return all;
  }
  void open(uint32_t port) {
    tell(port, ConsoleEvent::kReady, 1);
    tell(port, ConsoleEvent::kOpen, 1);
    heard();
  }

  void restart() {
    driver_->reset();
    driver_->start();
  }

  std::unique_ptr<EventLoop> loop_ = EventLoop::create().value();
  int master_ = -1, slave_ = -1;
  Pipe to_guest_, from_guest_, only_out_;
  std::unique_ptr<ConsolePorts> device_;
  std::unique_ptr<FakeDriver> driver_;
};

class ConsoleWithoutPorts : public ConsolePortsTest {
 protected:
  ConsoleWithoutPorts() : ConsolePortsTest(~kConsoleMultiport) {}
};

using Said = std::vector<std::string>;

TEST_F(ConsolePortsTest, SaysWhichPortsThereAre) {
  EXPECT_EQ(device_->id(), 3u);
  EXPECT_EQ(device_->queue_sizes().size(), 8u);
  EXPECT_EQ(heard(), Said());
  tell(0, ConsoleEvent::kDeviceReady, 1);
  EXPECT_EQ(heard(), (Said{"0:1:1", "1:1:1", "2:1:1"}));
  tell(0, ConsoleEvent::kReady, 1);
  EXPECT_EQ(heard(), (Said{"0:4:1", "0:5:1132x40", "0:6:1"}));
  tell(1, ConsoleEvent::kReady, 1);
  EXPECT_EQ(heard(), (Said{"1:7:1data", "1:6:1"}));
}

TEST_F(ConsolePortsTest, ConfigSpaceHasTheSizeAndThePorts) {
  std::array<std::byte, 12> config;
  device_->read_config(0, config);
  EXPECT_EQ(config[0], std::byte{132});
  EXPECT_EQ(config[2], std::byte{40});
  EXPECT_EQ(config[4], std::byte{3});
}

TEST_F(ConsolePortsTest, BytesGoBothWays) {
  open(1);
  ASSERT_TRUE(driver_->send(ConsolePorts::transmit_queue(1), bytes("from the guest")));
  EXPECT_EQ(from_guest_.hear(), "from the guest");
  to_guest_.say("to the guest");
  driver_->offer(ConsolePorts::receive_queue(1), 100);
  ASSERT_TRUE(driver_->kick(ConsolePorts::receive_queue(1)));
  poll_loop();
  auto replies = driver_->collect(ConsolePorts::receive_queue(1));
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(text(replies[0].bytes), "to the guest");
  EXPECT_GT(driver_->interrupts(ConsolePorts::receive_queue(1)), 0u);
}

TEST_F(ConsolePortsTest, TheHostIsNotReadBeforeTheGuestHasOpened) {
  to_guest_.say("early");
  driver_->offer(ConsolePorts::receive_queue(1), 100);
  ASSERT_TRUE(driver_->kick(ConsolePorts::receive_queue(1)));
  poll_loop();
  EXPECT_TRUE(driver_->collect(ConsolePorts::receive_queue(1)).empty());
  open(1);
  poll_loop();
  auto replies = driver_->collect(ConsolePorts::receive_queue(1));
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(text(replies[0].bytes), "early");
  // Closed again: what comes stays where it is.
  tell(1, ConsoleEvent::kOpen, 0);
  driver_->offer(ConsolePorts::receive_queue(1), 100);
  ASSERT_TRUE(driver_->kick(ConsolePorts::receive_queue(1)));
  to_guest_.say("later");
  poll_loop();
  EXPECT_TRUE(driver_->collect(ConsolePorts::receive_queue(1)).empty());
}

TEST_F(ConsolePortsTest, ATerminalIsReadOnceItIsReady) {
  ASSERT_EQ(::write(master_, "typed\n", 6), 6);
  driver_->offer(ConsolePorts::receive_queue(0), 100);
  ASSERT_TRUE(driver_->kick(ConsolePorts::receive_queue(0)));
  tell(0, ConsoleEvent::kReady, 1);
  poll_loop();
  auto replies = driver_->collect(ConsolePorts::receive_queue(0));
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(text(replies[0].bytes), "typed\n");
}

TEST_F(ConsolePortsTest, ASizeIsFollowed) {
  open(0);
  set_size(50, 90);
  device_->follow_sizes();
  poll_loop();
  EXPECT_EQ(heard(), (Said{"0:5:190x50"}));
}

// Linux holds up whoever writes to a port at whose other end nobody is.
TEST_F(ConsolePortsTest, AStreamEndsWhenNeitherWayIsLeft) {
  open(1);
  to_guest_.say("last words");
  to_guest_.in.reset();
  for (int i = 0; i < 2; ++i) driver_->offer(ConsolePorts::receive_queue(1), 100);
  ASSERT_TRUE(driver_->kick(ConsolePorts::receive_queue(1)));
  poll_loop();
  auto replies = driver_->collect(ConsolePorts::receive_queue(1));
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(text(replies[0].bytes), "last words");
  EXPECT_EQ(heard(), Said());
  ASSERT_TRUE(driver_->send(ConsolePorts::transmit_queue(1), bytes("still here")));
  EXPECT_EQ(from_guest_.hear(), "still here");
  from_guest_.out.reset();
  ASSERT_TRUE(driver_->send(ConsolePorts::transmit_queue(1), bytes("to nobody")));
  poll_loop();
  EXPECT_EQ(heard(), (Said{"1:6:0"}));
}

TEST(ConsolePorts, AStreamWithoutAnOutputEndsWithItsInput) {
  Pipe to_guest;
  auto loop = EventLoop::create().value();
  std::vector<ConsolePort> ports(1);
  ports[0] = {.name = "in", .input = std::move(to_guest.out)};
  ConsolePorts device(std::move(ports), *loop, Log());
  FakeDriver driver(device);
  ASSERT_TRUE(driver.send(ConsolePorts::kControlTransmit, control(0, ConsoleEvent::kOpen, 1)));
  to_guest.in.reset();
  for (unsigned queue : {ConsolePorts::receive_queue(0), ConsolePorts::kControlReceive}) driver.offer(queue, 128);
  ASSERT_TRUE(driver.kick(ConsolePorts::receive_queue(0)));
  run_turns(*loop, 32);
  auto said = driver.collect(ConsolePorts::kControlReceive);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].bytes, control(0, ConsoleEvent::kOpen, 0));
}

TEST_F(ConsolePortsTest, WhatTheHostDoesNotTakeStaysInTheQueue) {
  std::string large(300'000, 'x');
  EXPECT_FALSE(driver_->send(ConsolePorts::transmit_queue(1), bytes(large)));
  EXPECT_GT(device_->state(1).outgoing_sent, 0u);
  EXPECT_FALSE(driver_->send(ConsolePorts::transmit_queue(1), bytes("behind")));
  // The others do not wait for it.
  ASSERT_TRUE(driver_->send(ConsolePorts::transmit_queue(2), bytes("beside")));
  EXPECT_EQ(only_out_.hear(), "beside");
  std::string got;
  for (int turn = 0; turn < 100 && got.size() < large.size() + 6; ++turn) {
    got += from_guest_.hear();
    poll_loop();
  }
  EXPECT_EQ(got, large + "behind");
  EXPECT_EQ(driver_->collect(ConsolePorts::transmit_queue(1)).size(), 2u);
}

TEST_F(ConsolePortsTest, AHostThatIsGoneTakesEverything) {
  from_guest_.out.reset();
  ASSERT_TRUE(driver_->send(ConsolePorts::transmit_queue(1), bytes("to nobody")));
  ASSERT_TRUE(driver_->send(ConsolePorts::transmit_queue(1), bytes("to nobody")));
  EXPECT_TRUE(device_->state(1).output_gone);
  EXPECT_FALSE(driver_->faulted());
}

TEST_F(ConsolePortsTest, LastWordsAreFlushed) {
  std::string large(60'000, 'x');
  EXPECT_FALSE(driver_->send(ConsolePorts::transmit_queue(1), bytes(large + large)));
  size_t first = from_guest_.hear().size();
  EXPECT_TRUE(device_->flush({}));
  EXPECT_EQ(first + from_guest_.hear().size(), large.size() * 2);
}

TEST_F(ConsolePortsTest, WhoFlushesIsToldWhenASlowReaderHasItAll) {
  std::string large(300'000, 'x');
  EXPECT_FALSE(driver_->send(ConsolePorts::transmit_queue(1), bytes(large)));
  int taken = 0;
  EXPECT_FALSE(device_->flush([&] { ++taken; }));
  std::string got;
  for (int turn = 0; turn < 100 && taken == 0; ++turn) {
    got += from_guest_.hear();
    poll_loop();
  }
  EXPECT_EQ(taken, 1);
  EXPECT_EQ(got + from_guest_.hear(), large);
}

// A guest that takes its device away does not hold up its own end.
TEST_F(ConsolePortsTest, AResetEndsTheWaitForASlowReader) {
  EXPECT_FALSE(driver_->send(ConsolePorts::transmit_queue(1), bytes(std::string(300'000, 'x'))));
  int taken = 0;
  EXPECT_FALSE(device_->flush([&] { ++taken; }));
  device_->reset();
  EXPECT_EQ(taken, 1);
}

// A console that is alone, with a copy of what is said on it, as the kernel's log is.
class ConsoleAlone : public testing::Test {
 protected:
  ConsoleAlone() {
    std::vector<ConsolePort> ports(1);
    ports[0].kind = PortKind::kConsole;
    ports[0].copy = [this](std::span<const std::byte> out) {
      largest_ = std::max(largest_, out.size());
      said_.append(reinterpret_cast<const char*>(out.data()), out.size());
    };
    device_.emplace(std::move(ports), *loop_, Log());
    driver_.emplace(*device_);
  }
  static constexpr unsigned kTransmit = ConsolePorts::transmit_queue(0);
  std::unique_ptr<EventLoop> loop_ = EventLoop::create().value();
  std::string said_;
  size_t largest_ = 0;
  std::optional<ConsolePorts> device_;
  std::optional<FakeDriver> driver_;
};

TEST_F(ConsoleAlone, HasNoPorts) {
  EXPECT_EQ(device_->features() & kConsoleMultiport, 0u);
  EXPECT_EQ(device_->queue_sizes().size(), 2u);
}

TEST_F(ConsoleAlone, LargeOutputIsCopiedWholeInSmallPieces) {
  std::string text;
  for (int i = 0; text.size() < 100'000; ++i) text += std::to_string(i) + "\n";
  ASSERT_TRUE(driver_->send(kTransmit, bytes(text)));
  EXPECT_EQ(said_, text);
  EXPECT_LE(largest_, 4096u);
}

// Trap 29: a flood takes turns with the other devices.
TEST_F(ConsoleAlone, FloodIsServedByTurns) {
  virtio::FakeRing& ring = driver_->ring(kTransmit);
  for (int i = 0; i < 10; ++i) ring.add({.readable = {Bytes(200'000, std::byte{'x'})}, .writable = {}});
  auto kick = device_->on_kick(kTransmit, driver_->queue(kTransmit));
  EXPECT_EQ(kick.value(), virtio::Kick::kMore);
  EXPECT_LT(said_.size(), 1u << 20);
  EXPECT_TRUE(driver_->kick(kTransmit));
  EXPECT_EQ(said_.size(), 2'000'000u);
}

TEST_F(ConsoleAlone, HostileRingsFault) {
  auto& ring = driver_->ring(kTransmit);
  ring.describe(0, {.address = ~0ull, .length = 9});
  ring.publish(0);
  driver_->kick(kTransmit);
  EXPECT_TRUE(driver_->faulted());
}

TEST_F(ConsoleWithoutPorts, TheFirstPortIsTheConsole) {
  ASSERT_EQ(::write(master_, "typed\n", 6), 6);
  driver_->offer(ConsolePorts::receive_queue(0), 100);
  ASSERT_TRUE(driver_->kick(ConsolePorts::receive_queue(0)));
  auto replies = driver_->collect(ConsolePorts::receive_queue(0));
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(text(replies[0].bytes), "typed\n");
  device_->follow_sizes();
  EXPECT_EQ(driver_->config_changes(), 1u);
}

// --- Hostile guests ---

TEST_F(ConsolePortsTest, ShortControlMessagesAreFaults) {
  driver_->send(ConsolePorts::kControlTransmit, bytes("short"));
  EXPECT_TRUE(driver_->faulted());
}

TEST_F(ConsolePortsTest, SmallControlBuffersAreFaults) {
  tell(0, ConsoleEvent::kDeviceReady, 1);
  driver_->offer(ConsolePorts::kControlReceive, 4);
  driver_->kick(ConsolePorts::kControlReceive);
  EXPECT_TRUE(driver_->faulted());
}

TEST_F(ConsolePortsTest, ReceiveBuffersWithoutRoomAreFaults) {
  open(1);
  driver_->ring(ConsolePorts::receive_queue(1)).add({.readable = {bytes("x")}, .writable = {}});
  driver_->kick(ConsolePorts::receive_queue(1));
  EXPECT_TRUE(driver_->faulted());
}

TEST_F(ConsolePortsTest, PortsAndEventsThatAreNotAreNothing) {
  for (uint32_t port : {3u, 16u, 0xffffffffu})
    for (uint16_t event = 0; event < 12; ++event)
      if (event != 0) tell(port, static_cast<ConsoleEvent>(event), 1);
  EXPECT_EQ(heard(), Said());
  EXPECT_FALSE(driver_->faulted());
}

// However often the guest asks, there is one answer to be kept.
TEST_F(ConsolePortsTest, RepeatedQuestionsCostNothing) {
  for (int i = 0; i < 10'000; ++i) {
    tell(0, ConsoleEvent::kDeviceReady, 1);
    tell(1, ConsoleEvent::kReady, 1);
  }
  EXPECT_EQ(heard().size(), 5u);
}

TEST_F(ConsolePortsTest, RandomMessagesChangeNothingElsewhere) {
  std::mt19937 random(1);
  for (int i = 0; i < 5'000; ++i) {
    tell(static_cast<uint32_t>(random() % 5), static_cast<ConsoleEvent>(random() % 9),
         static_cast<uint16_t>(random() % 3));
    if (random() % 16 == 0) heard(4);
    if (random() % 64 == 0) restart();
  }
  restart();
  ASSERT_TRUE(driver_->send(ConsolePorts::transmit_queue(2), bytes("well")));
  EXPECT_EQ(only_out_.hear(), "well");
}

}  // namespace
}  // namespace cloche
