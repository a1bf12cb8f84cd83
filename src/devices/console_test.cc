#include "devices/console.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

#include "virtio/testing/fake_driver.h"

namespace cloche {
namespace {

using virtio::Bytes;
using virtio::FakeDriver;
using virtio::FakeMemory;

Bytes bytes(std::string_view text) {
  auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

struct Rig {
  std::string said;
  size_t largest = 0;
  Console console{[this](std::span<const std::byte> out) {
    largest = std::max(largest, out.size());
    said.append(reinterpret_cast<const char*>(out.data()), out.size());
  }};
  FakeDriver driver{console};
};

TEST(Console, HandsOnWhatTheGuestSays) {
  Rig rig;
  EXPECT_EQ(rig.console.id(), 3u);
  auto reply = rig.driver.send(Console::kTransmit, bytes("hello\n"));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->used, 0u);
  ASSERT_TRUE(rig.driver.send(Console::kTransmit, {.readable = {bytes("a"), bytes("bc")}, .writable = {4}}));
  EXPECT_EQ(rig.said, "hello\nabc");
}

TEST(Console, KeepsInputBuffers) {
  Rig rig;
  for (int i = 0; i < 64; ++i) rig.driver.offer(Console::kReceive, 16);
  EXPECT_TRUE(rig.driver.kick(Console::kReceive));
  EXPECT_TRUE(rig.driver.collect(Console::kReceive).empty());
  EXPECT_EQ(rig.said, "");
}

TEST(Console, LargeOutputArrivesWholeInSmallPieces) {
  Rig rig;
  std::string text;
  for (int i = 0; text.size() < 100'000; ++i) text += std::to_string(i) + "\n";
  ASSERT_TRUE(rig.driver.send(Console::kTransmit, bytes(text)));
  EXPECT_EQ(rig.said, text);
  EXPECT_LE(rig.largest, 4096u);
}

// Trap 29: a flood takes turns with the other devices.
TEST(Console, FloodIsServedByTurns) {
  Rig rig;
  virtio::FakeRing& ring = rig.driver.ring(Console::kTransmit);
  for (int i = 0; i < 10; ++i) ring.add({.readable = {Bytes(200'000, std::byte{'x'})}, .writable = {}});
  auto kick = rig.console.on_kick(Console::kTransmit, rig.driver.queue(Console::kTransmit));
  EXPECT_EQ(kick.value(), virtio::Kick::kMore);
  EXPECT_LT(rig.said.size(), 1u << 20);
  EXPECT_TRUE(rig.driver.kick(Console::kTransmit));
  EXPECT_EQ(rig.said.size(), 2'000'000u);
}

TEST(Console, HostileRingsFault) {
  Rig rig;
  auto& ring = rig.driver.ring(Console::kTransmit);
  ring.describe(0, {.address = ~0ull, .length = 9});
  ring.publish(0);
  rig.driver.kick(Console::kTransmit);
  EXPECT_TRUE(rig.driver.faulted());
  rig.driver.reset();
  rig.driver.start();
  rig.driver.ring(Console::kTransmit).set_available_index(999);
  rig.driver.kick(Console::kTransmit);
  EXPECT_TRUE(rig.driver.faulted());
  EXPECT_EQ(rig.said, "");
}

TEST(Console, SurvivesARandomDriver) {
  std::mt19937_64 random(11);
  Rig rig;
  for (int i = 0; i < 2000; ++i) {
    unsigned queue = random() % 2;
    for (int j = 0; j < 4; ++j)
      rig.driver.ring(queue).describe(static_cast<uint16_t>(random() % 64),
                                      {.address = random() % FakeMemory::kSize,
                                       .length = static_cast<uint32_t>(random() % 9000),
                                       .flags = static_cast<uint16_t>(random() % 8),
                                       .next = static_cast<uint16_t>(random() % 64)});
    rig.driver.ring(queue).publish(static_cast<uint16_t>(random() % 64));
    ASSERT_TRUE(rig.driver.kick(queue));
    rig.said.clear();
    if (!rig.driver.faulted() && i % 50 != 0) continue;
    rig.driver.reset();
    rig.driver.start();
  }
}

}  // namespace
}  // namespace cloche
