#include "devices/serial.h"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace cloche {
namespace {

struct CountingIrq : IrqLine {
  int raised = 0;
  void raise() override { ++raised; }
};

struct Rig {
  CountingIrq irq;
  std::string said;
  Serial::Room room = Serial::Room::kMore;
  int wanted = 0;
  Serial serial{[this](std::span<const std::byte> out) {
                  said.append(reinterpret_cast<const char*>(out.data()), out.size());
                  return room;
                },
                &irq, [this] { ++wanted; }};

  size_t type(std::string_view text) { return serial.receive(std::as_bytes(std::span(text))); }
  std::string read_all() {
    std::string text;
    while ((in(5) & 1) != 0) text += static_cast<char>(in(0));
    return text;
  }

  uint8_t in(uint64_t offset) {
    std::array<std::byte, 1> data{std::byte{0xee}};
    serial.read(offset, data);
    return std::to_integer<uint8_t>(data[0]);
  }
  void out(uint64_t offset, uint8_t value) {
    std::array<std::byte, 1> data{std::byte{value}};
    serial.write(offset, data);
  }
};

TEST(Serial, TransmitsAndIsAlwaysReady) {
  Rig rig;
  for (char character : std::string("Linux\n")) {
    EXPECT_EQ(rig.in(5) & 0x61, 0x60);  // Empty, and nothing received.
    rig.out(0, static_cast<uint8_t>(character));
  }
  EXPECT_EQ(rig.said, "Linux\n");
  EXPECT_EQ(rig.in(0), 0);
  EXPECT_EQ(rig.irq.raised, 0);
}

TEST(Serial, InputComesWhenItIsLookedFor) {
  Rig rig;
  EXPECT_EQ(rig.type("too early"), 0u);
  EXPECT_EQ(rig.in(5) & 1, 0);
  rig.out(1, 1);
  EXPECT_EQ(rig.wanted, 1);
  EXPECT_EQ(rig.type("hello"), 5u);
  EXPECT_EQ(rig.irq.raised, 1);
  EXPECT_EQ(rig.in(2) & 0x0f, 0x04);
  EXPECT_EQ(rig.read_all(), "hello");
  EXPECT_EQ(rig.wanted, 2);
  EXPECT_EQ(rig.in(2) & 0x0f, 0x01);
}

TEST(Serial, ItsFifoHoldsSixteenBytes) {
  Rig rig;
  rig.out(1, 1);
  EXPECT_EQ(rig.type("0123456789abcdefgh"), 16u);
  EXPECT_EQ(rig.type("gh"), 0u);
  EXPECT_EQ(rig.in(0), '0');
  EXPECT_EQ(rig.type("gh"), 1u);
  EXPECT_EQ(rig.read_all(), "123456789abcdefg");
  rig.type("gone");
  rig.out(2, 0x03);
  EXPECT_EQ(rig.read_all(), "");
}

// Firmware has no interrupts.
TEST(Serial, WhoPollsGetsInputToo) {
  Rig rig;
  for (int poll = 0; poll < 15; ++poll) rig.in(5);
  EXPECT_EQ(rig.wanted, 0);
  EXPECT_EQ(rig.type("a"), 0u);
  rig.in(5);
  EXPECT_EQ(rig.wanted, 1);
  EXPECT_EQ(rig.type("a"), 1u);
  EXPECT_EQ(rig.irq.raised, 0);
  EXPECT_EQ(rig.read_all(), "a");
  EXPECT_EQ(rig.wanted, 2);
}

TEST(Serial, TheTransmitterIsFullWhileNobodyListens) {
  Rig rig;
  rig.out(1, 2);
  rig.room = Serial::Room::kFull;
  int raised = rig.irq.raised;
  rig.out(0, 'a');
  EXPECT_EQ(rig.in(5) & 0x60, 0);
  EXPECT_EQ(rig.irq.raised, raised);
  rig.out(0, 'b');  // A guest that does not look loses it.
  EXPECT_EQ(rig.said, "a");
  rig.room = Serial::Room::kMore;
  rig.serial.drained();
  EXPECT_EQ(rig.irq.raised, raised + 1);
  EXPECT_EQ(rig.in(5) & 0x60, 0x60);
  rig.out(0, 'c');
  EXPECT_EQ(rig.said, "ac");
}

// What Linux's 8250 driver does to find out whether there is a UART, and which (autoconfig in 8250_port.c).
TEST(Serial, PassesForA16550A) {
  Rig rig;
  rig.out(1, 0);
  EXPECT_EQ(rig.in(1) & 0x0f, 0);
  rig.out(1, 0x0f);
  EXPECT_EQ(rig.in(1) & 0x0f, 0x0f);
  rig.out(1, 0xff);
  EXPECT_EQ(rig.in(1), 0x0f);
  rig.out(1, 0);
  rig.out(4, 0x10 | 0x0a);  // Loopback with RTS and OUT2 must read as CTS and DCD.
  EXPECT_EQ(rig.in(6) & 0xf0, 0x90);
  rig.out(4, 0x10 | 0x05);
  EXPECT_EQ(rig.in(6) & 0xf0, 0x60);
  rig.out(4, 0);
  rig.out(3, 0xbf);
  rig.out(2, 0);
  rig.out(3, 0);
  EXPECT_EQ(rig.in(2) >> 6, 0);
  rig.out(2, 1);
  EXPECT_EQ(rig.in(2) >> 6, 3);
  rig.out(2, 0x21);  // A 16750 would say 7 in the top three bits.
  EXPECT_EQ(rig.in(2) >> 5, 6);
  EXPECT_EQ(rig.said, "");
}

TEST(Serial, ScratchAndDivisorHold) {
  Rig rig;
  rig.out(7, 0x5a);
  EXPECT_EQ(rig.in(7), 0x5a);
  rig.out(3, 0x83);
  rig.out(0, 0x01);
  rig.out(1, 0x02);
  EXPECT_EQ(rig.in(0), 0x01);
  EXPECT_EQ(rig.in(1), 0x02);
  rig.out(3, 0x03);
  EXPECT_EQ(rig.in(1), 0);
  EXPECT_EQ(rig.in(3), 0x03);
  EXPECT_EQ(rig.said, "");
  EXPECT_EQ(rig.serial.state().divisor_low, 1);
}

TEST(Serial, StatusRegistersAreReadOnly) {
  Rig rig;
  rig.out(5, 0);
  rig.out(6, 0);
  EXPECT_EQ(rig.in(5), 0x60);
  EXPECT_EQ(rig.in(6), 0xb0);
}

// Linux tests for this at startup: without it the driver falls back to a timer.
TEST(Serial, TransmitterEmptyInterrupts) {
  Rig rig;
  EXPECT_EQ(rig.in(2) & 0x0f, 0x01);
  rig.out(1, 0x02);
  EXPECT_EQ(rig.irq.raised, 1);
  EXPECT_EQ(rig.in(2) & 0x0f, 0x02);
  EXPECT_EQ(rig.in(2) & 0x0f, 0x01);  // Reading it cleared it.
  rig.out(1, 0x00);
  rig.out(1, 0x02);
  EXPECT_EQ(rig.irq.raised, 2);
  rig.out(0, 'x');
  EXPECT_EQ(rig.irq.raised, 3);
  EXPECT_EQ(rig.in(2) & 0x0f, 0x02);
  rig.out(1, 0);
  rig.out(0, 'y');
  EXPECT_EQ(rig.irq.raised, 3);
}

TEST(Serial, LoopbackKeepsBytesFromTheOutside) {
  Rig rig;
  rig.out(4, 0x10);
  rig.out(0, 'x');
  rig.out(4, 0);
  rig.out(0, 'y');
  EXPECT_EQ(rig.said, "y");
}

// Trap 22.
TEST(Serial, WideAccessesAreByteByByte) {
  Rig rig;
  for (size_t size : {1, 2, 4, 8}) {
    for (uint64_t offset = 0; offset < 16; ++offset) {
      std::vector<std::byte> data(size, std::byte{0});
      rig.serial.read(offset, data);
      for (size_t i = 0; i < size; ++i) {
        if (offset + i < Serial::kSize) continue;
        EXPECT_EQ(data[i], std::byte{0xff});
      }
      rig.serial.write(offset, data);
    }
  }
}

TEST(Serial, SeveralVcpusAndRandomAccesses) {
  Rig rig;
  auto vcpu = [&](uint64_t seed) {
    std::mt19937_64 random(seed);
    for (int i = 0; i < 20'000; ++i) {
      std::vector<std::byte> data(1u << random() % 4, static_cast<std::byte>(random()));
      rig.serial.write(random() % 10, data);
      rig.serial.read(random() % 10, data);
    }
  };
  std::thread other(vcpu, 1);
  vcpu(2);
  other.join();
}

}  // namespace
}  // namespace cloche
