#include "devices/block/block.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "devices/block/testing/memory_disk.h"

namespace cloche::block {
namespace {

using virtio::Bytes;
using virtio::FakeDescriptor;
using virtio::FakeDriver;
using virtio::FakeMemory;

constexpr uint64_t kSectors = 64;

Bytes filled(size_t size, char with) { return Bytes(size, static_cast<std::byte>(with)); }

class BlockTest : public ::testing::Test {
 protected:
  void make(Options options = {.name = "vda", .serial = "number 7"}, uint64_t acked = ~0ull) {
    driver_.reset();
    auto disk = std::make_unique<MemoryDisk>(kSectors * kSectorBytes);
    disk_ = disk.get();
    block_ = Block::create(std::move(options), std::move(disk), Log()).value();
    driver_ = std::make_unique<FakeDriver>(*block_, acked);
  }
  void SetUp() override { make(); }

  std::optional<virtio::FakeReply> send(uint32_t type, uint64_t sector, Bytes out = {}, uint32_t in = 0) {
    return driver_->send(0, request(type, sector, std::move(out), in));
  }
  int status(uint32_t type, uint64_t sector, Bytes out = {}, uint32_t in = 0) {
    return status_of(send(type, sector, std::move(out), in));
  }

  MemoryDisk* disk_ = nullptr;
  std::unique_ptr<Block> block_;
  std::unique_ptr<FakeDriver> driver_;
};

TEST_F(BlockTest, WritesAndReads) {
  EXPECT_EQ(block_->id(), 2u);
  EXPECT_EQ(status(kTypeOut, 3, filled(1024, 'x')), kStatusOk);
  auto reply = send(kTypeIn, 2, {}, 2048);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->used, 2049u);
  EXPECT_EQ(status_of(reply), kStatusOk);
  EXPECT_EQ(reply->bytes[511], std::byte{0});
  EXPECT_EQ(reply->bytes[512], std::byte{'x'});
  EXPECT_EQ(reply->bytes[1535], std::byte{'x'});
  EXPECT_EQ(reply->bytes[1536], std::byte{0});
}

// Section 2.7.4.2: nothing may be read into how a request is cut into descriptors.
TEST_F(BlockTest, AnyFraming) {
  disk_->bytes[513] = std::byte{'z'};
  Bytes header = virtio::bytes_of(Header{kTypeIn, uint32_t{0}, uint64_t{1}});
  Bytes one(header.begin(), header.begin() + 5), two(header.begin() + 5, header.end());
  for (bool indirect : {false, true}) {
    auto reply = driver_->send(0, {.readable = {one, two}, .writable = {1, 100, 412}, .indirect = indirect});
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->bytes[1], std::byte{'z'});
    EXPECT_EQ(status_of(reply), kStatusOk);
  }
  Bytes all = virtio::bytes_of(Header{kTypeOut, uint32_t{0}, uint64_t{0}});
  all.resize(16 + 512, std::byte{'q'});
  EXPECT_EQ(status_of(driver_->send(0, {.readable = {all}, .writable = {1}})), kStatusOk);
  EXPECT_EQ(disk_->bytes[511], std::byte{'q'});
}

// Trap 25.
TEST_F(BlockTest, NothingBeyondTheEnd) {
  EXPECT_EQ(status(kTypeIn, kSectors - 1, {}, 512), kStatusOk);
  for (uint64_t sector :
       {kSectors, kSectors + 1, UINT64_MAX, UINT64_MAX / 512, UINT64_MAX / 512 + 1, uint64_t{1} << 55}) {
    EXPECT_EQ(status(kTypeIn, sector, {}, 512), kStatusIoErr) << sector;
    EXPECT_EQ(status(kTypeOut, sector, filled(512, 'x')), kStatusIoErr) << sector;
  }
  EXPECT_EQ(status(kTypeIn, kSectors - 1, {}, 1024), kStatusIoErr);
  EXPECT_EQ(status(kTypeOut, kSectors - 1, filled(1024, 'x')), kStatusIoErr);
  EXPECT_EQ(disk_->bytes.back(), std::byte{0});
}

// CH@376434a69: each descriptor fits, all of them do not.
TEST_F(BlockTest, TheWholeRequestIsMeasured) {
  virtio::FakeRequest all = request(kTypeOut, kSectors - 2, {}, 0);
  for (int i = 0; i < 4; ++i) all.readable.push_back(filled(512, 'x'));
  EXPECT_EQ(status_of(driver_->send(0, all)), kStatusIoErr);
  EXPECT_EQ(disk_->bytes.back(), std::byte{0});
}

TEST_F(BlockTest, OddLengths) {
  for (uint32_t length : {1u, 511u, 513u}) {
    EXPECT_EQ(status(kTypeIn, 0, {}, length), kStatusIoErr);
    EXPECT_EQ(status(kTypeOut, 0, filled(length, 'x')), kStatusIoErr);
  }
  EXPECT_EQ(status(kTypeIn, 0), kStatusOk);  // Nothing, which is a multiple too.
}

// What a failed read leaves in its buffers is zeros, not what lay there, and the count says so.
TEST_F(BlockTest, AFailedReadLeaksNothing) {
  disk_->fails = true;
  auto reply = send(kTypeIn, 0, {}, 512);
  ASSERT_TRUE(reply);
  EXPECT_EQ(status_of(reply), kStatusIoErr);
  EXPECT_EQ(reply->used, 513u);
  EXPECT_EQ(Bytes(reply->bytes.begin(), reply->bytes.end() - 1), Bytes(512));
  EXPECT_EQ(status(kTypeOut, 0, filled(512, 'x')), kStatusIoErr);
  EXPECT_EQ(status(kTypeFlush, 0), kStatusIoErr);
  EXPECT_FALSE(driver_->faulted());
}

TEST_F(BlockTest, Id) {
  auto reply = send(kTypeGetId, 0, {}, 20);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->used, 21u);
  EXPECT_EQ(std::memcmp(reply->bytes.data(), "number 7\0\0\0\0\0\0\0\0\0\0\0\0\0", 21), 0);
  EXPECT_EQ(status(kTypeGetId, 0, {}, 19), kStatusIoErr);
  EXPECT_EQ(status(kTypeGetId, 0, {}, 64), kStatusOk);
  auto long_one = Block::create({.name = "", .serial = std::string(21, 'x')}, std::make_unique<MemoryDisk>(512), Log());
  EXPECT_FALSE(long_one);
  make({.name = "", .serial = std::string(20, 'x')});
  EXPECT_EQ(send(kTypeGetId, 0, {}, 20)->bytes[19], std::byte{'x'});
}

TEST_F(BlockTest, UnknownTypes) {
  for (uint32_t type : {2u, 3u, 5u, 6u, 7u, 9u, 10u, 12u, 14u, 0x80000000u, ~0u})
    EXPECT_EQ(status(type, 0, {}, 512), kStatusUnsupp) << type;
}

TEST_F(BlockTest, DiscardAndWriteZeroes) {
  std::ranges::fill(disk_->bytes, std::byte{'x'});
  EXPECT_EQ(status(kTypeDiscard, 0, segments({{1, 1, 0}, {3, 2, 0}})), kStatusOk);
  EXPECT_EQ(disk_->bytes[512], std::byte{0});
  EXPECT_EQ(disk_->bytes[1024], std::byte{'x'});
  EXPECT_EQ(disk_->bytes[4 * 512], std::byte{0});
  EXPECT_EQ(status(kTypeWriteZeroes, 0, segments({{kSectors - 1, 1, 0}})), kStatusOk);
  EXPECT_EQ(disk_->last_space, Space::kKept);
  EXPECT_EQ(status(kTypeWriteZeroes, 0, segments({{0, 1, kSegmentUnmap}})), kStatusOk);
  EXPECT_EQ(disk_->last_space, Space::kGivenBack);
  EXPECT_EQ(disk_->bytes[0], std::byte{0});
  EXPECT_EQ(status(kTypeDiscard, 0, segments({{0, 0, 0}})), kStatusOk);
}

TEST_F(BlockTest, SegmentsThatCannotBe) {
  std::ranges::fill(disk_->bytes, std::byte{'x'});
  for (uint32_t type : {kTypeDiscard, kTypeWriteZeroes}) {
    EXPECT_EQ(status(type, 0), kStatusIoErr);
    EXPECT_EQ(status(type, 0, filled(15, 0)), kStatusIoErr);
    EXPECT_EQ(status(type, 0, filled(17, 0)), kStatusIoErr);
    EXPECT_EQ(status(type, 0, segments(std::vector<Segment>(33, Segment{0, 1, 0}))), kStatusIoErr);
    for (uint64_t sector : {kSectors, kSectors - 1, UINT64_MAX, UINT64_MAX / 512 + 1})
      EXPECT_EQ(status(type, 0, segments({{0, 1, 0}, {sector, 2, 0}})), kStatusIoErr);
    EXPECT_EQ(status(type, 0, segments({{0, ~0u, 0}})), kStatusIoErr);
    EXPECT_EQ(status(type, 0, segments({{0, 1, 2}})), kStatusUnsupp);
  }
  EXPECT_EQ(status(kTypeDiscard, 0, segments({{0, 1, kSegmentUnmap}})), kStatusUnsupp);
  EXPECT_EQ(status(kTypeWriteZeroes, 0, segments({{0, 1, 0}, {1, 1, 0}})), kStatusIoErr);
  EXPECT_EQ(disk_->bytes[0], std::byte{'x'});  // Of a request that is wrong in part nothing is done.
}

TEST_F(BlockTest, AReadOnlyDisk) {
  make({.name = "", .read_only = true});
  EXPECT_EQ(block_->features() & (kFeatureReadOnly | kFeatureFlush | kFeatureDiscard | kFeatureWriteZeroes),
            kFeatureReadOnly);
  for (uint64_t acked : {UINT64_MAX, ~kFeatureReadOnly}) {  // Whether the driver knows it or not (CH #7705).
    make({.name = "", .read_only = true}, acked);
    EXPECT_EQ(status(kTypeIn, 0, {}, 512), kStatusOk);
    EXPECT_EQ(status(kTypeOut, 0, filled(512, 'x')), kStatusIoErr);
    EXPECT_EQ(status(kTypeDiscard, 0, segments({{0, 1, 0}})), kStatusIoErr);
    EXPECT_EQ(status(kTypeWriteZeroes, 0, segments({{0, 1, 0}})), kStatusIoErr);
    EXPECT_EQ(disk_->bytes[0], std::byte{0});
  }
}

// Section 5.2.6.2: a driver that does not know of flushes finds its writes done for good.
TEST_F(BlockTest, WithoutFlushesWritesGoThrough) {
  EXPECT_EQ(status(kTypeOut, 0, filled(512, 'x')), kStatusOk);
  EXPECT_EQ(disk_->flushes, 0);
  EXPECT_EQ(status(kTypeFlush, 0), kStatusOk);
  EXPECT_EQ(disk_->flushes, 1);
  make({.name = ""}, ~kFeatureFlush);
  EXPECT_EQ(status(kTypeOut, 0, filled(512, 'x')), kStatusOk);
  EXPECT_EQ(disk_->flushes, 1);
  make({.name = "", .flushes = false});
  EXPECT_EQ(block_->features() & kFeatureFlush, 0u);
  EXPECT_EQ(status(kTypeOut, 0, filled(512, 'x')), kStatusOk);
  EXPECT_EQ(disk_->flushes, 0);
}

TEST_F(BlockTest, WhatCannotBeAnsweredFaults) {
  const std::array<virtio::FakeRequest, 4> cases{
      virtio::FakeRequest{.readable = {Bytes(16)}, .writable = {}},
      virtio::FakeRequest{.readable = {Bytes(15)}, .writable = {1}},
      virtio::FakeRequest{.readable = {}, .writable = {513}},
      virtio::FakeRequest{},
  };
  for (const auto& each : cases) {
    make();
    EXPECT_FALSE(driver_->send(0, each));
    EXPECT_TRUE(driver_->faulted());
    driver_->reset();
    driver_->start();
    EXPECT_EQ(status(kTypeIn, 0, {}, 512), kStatusOk);
  }
}

TEST_F(BlockTest, ConfigSpace) {
  Config config;
  block_->read_config(0, std::as_writable_bytes(std::span(&config, 1)));
  EXPECT_EQ(config.capacity, kSectors);
  EXPECT_EQ(config.blk_size, 512u);
  EXPECT_EQ(config.seg_max, 254u);
  EXPECT_EQ(config.max_discard_seg, 32u);
  EXPECT_EQ(config.write_zeroes_may_unmap, 1);
  for (uint64_t offset : {uint64_t{58}, uint64_t{60}, uint64_t{4096}, UINT64_MAX}) {  // Trap 21.
    std::array<std::byte, 8> out;
    out.fill(std::byte{0xff});
    block_->read_config(offset, out);
    EXPECT_EQ(out[7], std::byte{0});
  }
  uint64_t huge = ~0ull;
  block_->write_config(0, std::as_bytes(std::span(&huge, 1)));
  block_->read_config(0, std::as_writable_bytes(std::span(&config, 1)));
  EXPECT_EQ(config.capacity, kSectors);
}

TEST_F(BlockTest, HostileRingsFault) {
  const std::array<FakeDescriptor, 3> cases{
      FakeDescriptor{.address = FakeMemory::kBuffers, .length = 1, .flags = virtio::kDescNext, .next = 0},
      FakeDescriptor{.address = FakeMemory::kSize, .length = 16},
      FakeDescriptor{.address = 0, .length = ~0u, .flags = virtio::kDescWrite}};
  for (const FakeDescriptor& descriptor : cases) {
    make();
    driver_->ring(0).describe(0, descriptor);
    driver_->ring(0).publish(0);
    EXPECT_TRUE(driver_->kick(0));
    EXPECT_TRUE(driver_->faulted());
  }
}

TEST_F(BlockTest, SurvivesARandomDriver) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 3000; ++i) {
    Header header{static_cast<uint32_t>(random() % 16), uint32_t{0}, random() % (kSectors + 2)};
    Bytes bytes = virtio::bytes_of(header);
    bytes.resize(random() % 2 == 0 ? 16 : 16 + random() % 2000, static_cast<std::byte>(random()));
    virtio::FakeRequest made{.readable = {bytes}, .writable = {static_cast<uint32_t>(random() % 2000)}};
    made.writable.push_back(static_cast<uint32_t>(random() % 3));
    driver_->send(0, made);
    if (!driver_->faulted()) continue;
    driver_->reset();
    driver_->start();
  }
}

class BlockWorkersTest : public BlockTest {
 protected:
  void SetUp() override {
    loop_ = EventLoop::create().value();
    auto disk = std::make_unique<MemoryDisk>(kSectors * kSectorBytes);
    disk_ = disk.get();
    block_ = Block::create({.name = "vda"}, std::move(disk), Log(), loop_.get()).value();
    driver_ = std::make_unique<FakeDriver>(*block_);
  }
  void add(uint32_t type, uint64_t sector, Bytes out, uint32_t in) {
    driver_->ring(0).add(request(type, sector, std::move(out), in));
    EXPECT_TRUE(driver_->kick(0));
  }
  // Runs the loop until so many requests came back.
  std::vector<virtio::FakeReply> await(size_t count) {
    std::vector<virtio::FakeReply> replies;
    for (int round = 0; round < 2000 && replies.size() < count; ++round) {
      loop_->at(EventLoop::Clock::now() + std::chrono::milliseconds(1), [this] { loop_->stop(); });
      EXPECT_TRUE(loop_->run());
      for (auto& reply : driver_->collect(0)) replies.push_back(std::move(reply));
    }
    return replies;
  }

  std::unique_ptr<EventLoop> loop_;
  void TearDown() override {
    driver_.reset();
    block_.reset();
  }
};

TEST_F(BlockWorkersTest, ASlowDiskDoesNotHoldUpTheLoop) {
  disk_->gate.lock();
  for (uint64_t i = 0; i < 40; ++i) add(kTypeOut, i, filled(512, static_cast<char>('a' + i)), 0);
  EXPECT_EQ(block_->pending(), 40u);
  EXPECT_TRUE(driver_->collect(0).empty());
  disk_->gate.unlock();
  auto replies = await(40);
  ASSERT_EQ(replies.size(), 40u);
  for (auto& reply : replies) EXPECT_EQ(reply.bytes.back(), std::byte{kStatusOk});
  EXPECT_EQ(block_->pending(), 0u);
  EXPECT_EQ(disk_->bytes[39 * 512], static_cast<std::byte>('a' + 39));
  EXPECT_GE(driver_->interrupts(0), 1u);
}

TEST_F(BlockWorkersTest, WhatIsAtHandIsReadAtOnceUnlessADiskIsBusy) {
  disk_->at_once = true;
  add(kTypeIn, 0, {}, 512);
  EXPECT_EQ(driver_->collect(0).size(), 1u);
  disk_->gate.lock();
  add(kTypeFlush, 0, {}, 0);
  add(kTypeIn, 0, {}, 512);  // Would wait at the gate here, too.
  EXPECT_EQ(block_->pending(), 2u);
  disk_->gate.unlock();
  EXPECT_EQ(await(2).size(), 2u);
}

// Trap 19: a reset waits until nobody writes into the guest's memory any more, and nothing comes back afterwards.
TEST_F(BlockWorkersTest, ResetWithRequestsInFlight) {
  for (int round = 0; round < 20; ++round) {
    for (uint64_t i = 0; i < 30; ++i) add(kTypeIn, i, {}, 512);
    driver_->reset();
    EXPECT_EQ(block_->pending(), 0u);
    driver_->start();
  }
  EXPECT_TRUE(driver_->collect(0).empty());
  add(kTypeIn, 0, {}, 512);
  EXPECT_EQ(await(1).size(), 1u);
}

TEST_F(BlockWorkersTest, SettleWaitsForAllThatWasBegun) {
  for (uint64_t i = 0; i < 40; ++i) add(kTypeOut, i, filled(512, 'x'), 0);
  block_->settle();
  EXPECT_EQ(block_->pending(), 0u);
  EXPECT_EQ(driver_->collect(0).size(), 40u);
  EXPECT_EQ(disk_->bytes[39 * 512], std::byte{'x'});
}

TEST_F(BlockWorkersTest, ErrorsComeBackToo) {
  disk_->fails = true;
  add(kTypeIn, 0, {}, 512);
  auto replies = await(1);
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replies[0].bytes.back(), std::byte{kStatusIoErr});
}

}  // namespace
}  // namespace cloche::block
