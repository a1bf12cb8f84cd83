#include "devices/serial_console.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>

#include "base/testing/turns.h"

namespace cloche {
namespace {

struct CountingIrq : IrqLine {
  int raised = 0;
  void raise() override { ++raised; }
};

// A guest's UART between two pipes of the host.
class SerialConsoleTest : public testing::Test {
 protected:
  SerialConsoleTest() {
    ::signal(SIGPIPE, SIG_IGN);  // As the VM's process does.
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    typed_ = Fd(ends[1]);
    Fd input(ends[0]);
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    shown_ = Fd(ends[0]);
    Fd output(ends[1]);
    copies_ = Fd(::dup(ends[1]));
    ConsolePort port{.input = std::move(input), .output = std::move(output)};
    port.copy = [this](std::span<const std::byte> bytes) {
      copy_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    console_.emplace(std::move(port), &irq_, *loop_, Log());
  }
  void poll_loop() { run_turns(*loop_, 32); }
  void type(std::string_view text) const {
    ASSERT_EQ(::write(typed_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  std::string shown() const {
    std::string text(1 << 20, '\0');
    ssize_t got = ::read(shown_.get(), text.data(), text.size());
    text.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
    return text;
  }
  uint8_t in(uint64_t offset) {
    std::array<std::byte, 1> data{};
    console_->uart().read(offset, data);
    return std::to_integer<uint8_t>(data[0]);
  }
  void out(uint64_t offset, uint8_t value) {
    std::array<std::byte, 1> data{std::byte{value}};
    console_->uart().write(offset, data);
  }
  void say(std::string_view text) {
    for (char each : text) out(0, static_cast<uint8_t>(each));
  }
  std::string read_all() {
    std::string text;
    while ((in(5) & 1) != 0) text += static_cast<char>(in(0));
    return text;
  }

  std::unique_ptr<EventLoop> loop_ = EventLoop::create().value();
  CountingIrq irq_;
  Fd typed_, shown_, copies_;
  std::string copy_;
  std::optional<SerialConsole> console_;
};

TEST_F(SerialConsoleTest, WhatIsTypedWaitsForTheGuest) {
  type("a line that is longer than the sixteen bytes of the FIFO\n");
  poll_loop();
  EXPECT_EQ(read_all(), "");
  out(2, 7);  // As Linux opens the line.
  out(1, 1);
  std::string text;
  for (int turn = 0; turn < 10; ++turn) {
    poll_loop();
    text += read_all();
  }
  EXPECT_EQ(text, "a line that is longer than the sixteen bytes of the FIFO\n");
  EXPECT_GE(irq_.raised, 4);
  type("more");
  poll_loop();
  EXPECT_EQ(read_all(), "more");
}

TEST_F(SerialConsoleTest, WhatTheGuestSaysIsShownAndCopied) {
  say("hello\n");
  poll_loop();
  EXPECT_EQ(shown(), "hello\n");
  EXPECT_EQ(copy_, "hello\n");
}

TEST_F(SerialConsoleTest, ASlowReaderHoldsTheGuestUpAndLosesNothing) {
  std::string all, text;
  ASSERT_GT(::fcntl(shown_.get(), F_SETPIPE_SZ, 4096), 0);
  for (int turn = 0; turn < 100; ++turn) {
    while ((in(5) & 0x20) != 0) {
      char next = static_cast<char>('a' + all.size() % 23);
      say({&next, 1});
      all += next;
    }
    ASSERT_LE(all.size(), text.size() + 4096 + 2 * SerialConsole::kMostUnsent);
    poll_loop();
    text += shown();
  }
  EXPECT_GT(all.size(), 100'000u);
  bool taken = console_->flush([this] { loop_->stop(); });
  for (int turn = 0; turn < 10; ++turn) {
    poll_loop();
    text += shown();
  }
  EXPECT_EQ(text, all);
  EXPECT_TRUE(taken || console_->flush({}));
}

TEST_F(SerialConsoleTest, LastWordsAreWaitedFor) {
  ASSERT_GT(::fcntl(shown_.get(), F_SETPIPE_SZ, 4096), 0);
  std::string filler(4096, '.');
  ASSERT_EQ(::write(copies_.get(), filler.data(), filler.size()), 4096);
  say("last words");
  bool taken = false;
  EXPECT_FALSE(console_->flush([&] { taken = true; }));
  poll_loop();
  EXPECT_FALSE(taken);
  EXPECT_EQ(shown(), filler);
  poll_loop();
  EXPECT_TRUE(taken);
  EXPECT_EQ(shown(), "last words");
}

TEST_F(SerialConsoleTest, AReaderThatIsGoneIsNoReasonToWait) {
  shown_ = Fd();
  for (int turn = 0; turn < 3; ++turn) {
    say(std::string(5000, 'x'));
    poll_loop();
  }
  EXPECT_EQ(in(5) & 0x20, 0x20);
  EXPECT_TRUE(console_->flush({}));
}

TEST_F(SerialConsoleTest, TheEndOfItsInputIsSilence) {
  out(1, 1);
  typed_ = Fd();
  poll_loop();
  EXPECT_EQ(read_all(), "");
  EXPECT_EQ(irq_.raised, 0);
}

}  // namespace
}  // namespace cloche
