#include "devices/rng.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "virtio/testing/fake_driver.h"

namespace cloche {
namespace {

using virtio::Bytes;
using virtio::FakeDriver;
using virtio::FakeMemory;

Result<void> fill_with_a(std::span<std::byte> out) {
  std::ranges::fill(out, std::byte{'a'});
  return {};
}

TEST(Rng, FillsTheBuffer) {
  Rng rng(fill_with_a);
  FakeDriver driver(rng);
  EXPECT_EQ(rng.id(), 4u);
  for (bool indirect : {false, true}) {
    auto reply = driver.send(0, {.readable = {}, .writable = {3, 5}, .indirect = indirect});
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->used, 8u);
    EXPECT_EQ(reply->bytes, Bytes(8, std::byte{'a'}));
  }
  EXPECT_GE(driver.interrupts(0), 1u);
}

TEST(Rng, HostEntropyDiffersEachTime) {
  Rng rng;
  FakeDriver driver(rng);
  std::set<Bytes> seen;
  for (int i = 0; i < 10; ++i) seen.insert(driver.send(0, {}, 16)->bytes);
  EXPECT_EQ(seen.size(), 10u);
  EXPECT_EQ(driver.send(0, {}, 5000)->used, 5000u);  // More than one getrandom() may give.
}

// Trap 28.
TEST(Rng, RequestIsCappedAt64KiB) {
  Rng rng(fill_with_a);
  FakeDriver driver(rng);
  EXPECT_EQ(driver.send(0, {}, 1 << 20)->used, 64u << 10);
  EXPECT_EQ(driver.send(0, {.readable = {}, .writable = {40'000, 40'000}})->used, 64u << 10);
}

TEST(Rng, EmptyAndReadableOnlyRequestsComeBackEmpty) {
  Rng rng(fill_with_a);
  FakeDriver driver(rng);
  EXPECT_EQ(driver.send(0, virtio::FakeRequest{})->used, 0u);
  EXPECT_EQ(driver.send(0, Bytes(10))->used, 0u);
}

TEST(Rng, ServesManyByTurns) {
  Rng rng(fill_with_a);
  FakeDriver driver(rng);
  for (int i = 0; i < 64; ++i) driver.offer(0, 1);
  auto first = rng.on_kick(0, driver.queue(0));
  EXPECT_EQ(first.value(), virtio::Kick::kMore);
  EXPECT_LT(driver.collect(0).size(), 64u);
  EXPECT_TRUE(driver.kick(0));
  EXPECT_EQ(driver.ring(0).used_index(), 64);
}

TEST(Rng, HostFailureNeverPassesForEntropy) {
  Rng rng([](std::span<std::byte>) -> Result<void> { return fail(ErrorCode::kHost, "no entropy"); });
  FakeDriver driver(rng);
  EXPECT_FALSE(driver.send(0, {}, 16));
  EXPECT_TRUE(driver.faulted());
}

TEST(Rng, HostileRingsFault) {
  using virtio::FakeDescriptor;
  using virtio::kDescNext;
  using virtio::kDescWrite;
  const std::array<FakeDescriptor, 3> cases{
      FakeDescriptor{.address = FakeMemory::kBuffers, .length = 1, .flags = kDescWrite | kDescNext, .next = 0},
      FakeDescriptor{.address = FakeMemory::kSize, .length = 1, .flags = kDescWrite},
      FakeDescriptor{.address = 0, .length = ~0u, .flags = kDescWrite}};
  for (const FakeDescriptor& descriptor : cases) {
    Rng rng(fill_with_a);
    FakeDriver driver(rng);
    driver.ring(0).describe(0, descriptor);
    driver.ring(0).publish(0);
    EXPECT_TRUE(driver.kick(0));
    EXPECT_TRUE(driver.faulted());
    driver.reset();
    driver.start();
    EXPECT_TRUE(driver.send(0, {}, 16));
  }
  Rng rng(fill_with_a);
  FakeDriver driver(rng);
  driver.ring(0).publish(64);
  driver.kick(0);
  EXPECT_TRUE(driver.faulted());
}

TEST(Rng, SurvivesARandomDriver) {
  std::mt19937_64 random(7);
  Rng rng(fill_with_a);
  FakeDriver driver(rng);
  for (int i = 0; i < 3000; ++i) {
    for (int j = 0; j < 4; ++j)
      driver.ring(0).describe(static_cast<uint16_t>(random() % 64),
                              {.address = FakeMemory::kBuffers + random() % (FakeMemory::kSize - FakeMemory::kBuffers),
                               .length = static_cast<uint32_t>(random() % 70'000),
                               .flags = static_cast<uint16_t>(random() % 8),
                               .next = static_cast<uint16_t>(random() % 64)});
    driver.ring(0).publish(static_cast<uint16_t>(random() % 64));
    ASSERT_TRUE(driver.kick(0));
    if (!driver.faulted()) continue;
    driver.reset();
    driver.start();
  }
}

}  // namespace
}  // namespace cloche
