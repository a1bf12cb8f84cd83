#include "devices/block/raw.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "devices/block/testing/scratch.h"

namespace cloche::block {
namespace {

class RawTest : public ::testing::Test {
 protected:
  std::unique_ptr<Disk> open(HostFileOptions options = {}) {
    auto file = HostFile::open(path_, options);
    EXPECT_TRUE(file) << file.error().message();
    return file ? RawDisk::create(std::move(*file)).value() : nullptr;
  }
  uint64_t blocks() {
    struct stat status{};
    ::stat(path_.c_str(), &status);
    return static_cast<uint64_t>(status.st_blocks);
  }
  uint64_t length() {
    struct stat status{};
    ::stat(path_.c_str(), &status);
    return static_cast<uint64_t>(status.st_size);
  }

  Scratch scratch_;
  std::string path_ = scratch_.make("disk.img", 1 << 20);
};

TEST_F(RawTest, WritesAndReadsInPieces) {
  auto disk = open();
  EXPECT_EQ(disk->size(), 1u << 20);
  auto data = pattern(10'000, 1);
  Pieces from;
  from.add(std::span(data).first(1));
  from.add(std::span(data).subspan(1, 4999));
  from.add(std::span(data).subspan(5000));
  ASSERT_TRUE(disk->write(77, from));
  EXPECT_EQ(read_at(*disk, 77, 10'000), data);
  EXPECT_EQ(read_at(*disk, 0, 77), std::vector<std::byte>(77));
  EXPECT_TRUE(disk->flush());
}

TEST_F(RawTest, DiscardGivesSpaceBackAndReadsAsZeros) {
  auto disk = open();
  ASSERT_TRUE(disk->write(0, Pieces(std::span(scratch_.keep(pattern(1 << 20, 2))))));
  uint64_t before = blocks();
  ASSERT_TRUE(disk->discard(0, 1 << 19));
  EXPECT_LT(blocks(), before);
  EXPECT_EQ(length(), 1u << 20);
  EXPECT_EQ(read_at(*disk, 0, 1 << 19), std::vector<std::byte>(1 << 19));
  for (Space space : {Space::kKept, Space::kGivenBack}) {
    ASSERT_TRUE(disk->zero((1 << 19) + 100, 150'000, space));
    EXPECT_EQ(read_at(*disk, (1 << 19) + 100, 150'000), std::vector<std::byte>(150'000));
    EXPECT_NE(read_at(*disk, (1 << 19), 100), std::vector<std::byte>(100));
    ASSERT_TRUE(disk->write(1 << 19, Pieces(std::span(scratch_.keep(pattern(1 << 19, 3))))));
  }
}

TEST_F(RawTest, AFileThatShrankGivesErrorsAndDoesNotGrow) {
  auto disk = open();
  ASSERT_EQ(::truncate(path_.c_str(), 5000), 0);
  std::vector<std::byte> buffer(4096);
  EXPECT_FALSE(disk->read(4096, Pieces(buffer)));
  EXPECT_FALSE(disk->read_at_once(4096, Pieces(buffer)));
  EXPECT_FALSE(disk->read(1 << 19, Pieces(buffer)));
  EXPECT_FALSE(disk->write(1 << 19, Pieces(buffer)));
  EXPECT_FALSE(disk->write_at_once(1 << 19, Pieces(buffer)));
  EXPECT_FALSE(disk->zero(1 << 19, 4096, Space::kKept));
  EXPECT_EQ(length(), 5000u);
  EXPECT_TRUE(disk->read(0, Pieces(buffer)));
}

TEST_F(RawTest, TwoWritersAreRefused) {
  auto first = HostFile::open(path_, {});
  ASSERT_TRUE(first);
  auto second = HostFile::open(path_, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(second.error().what.find("in use"), std::string::npos);
  EXPECT_FALSE(HostFile::open(path_, {.writing = Writing::kRefused}));
  first = fail(ErrorCode::kInternal, "closed");
  auto reader = HostFile::open(path_, {.writing = Writing::kRefused});
  EXPECT_TRUE(reader);
  EXPECT_TRUE(HostFile::open(path_, {.writing = Writing::kRefused}));
  EXPECT_FALSE(HostFile::open(path_, {}));
}

TEST_F(RawTest, WhatIsNoDisk) {
  EXPECT_FALSE(HostFile::open(scratch_.path("none"), {}));
  EXPECT_FALSE(HostFile::open(scratch_.path(""), {.writing = Writing::kRefused}));
  std::string fifo = scratch_.path("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_FALSE(HostFile::open(fifo, {}));
  auto tiny = HostFile::open(scratch_.make("tiny", 511), {});
  ASSERT_TRUE(tiny);
  EXPECT_FALSE(RawDisk::create(std::move(*tiny)));
}

TEST_F(RawTest, AnIncompleteLastSectorIsNotShown) {
  ASSERT_EQ(::truncate(path_.c_str(), 1030), 0);
  EXPECT_EQ(open()->size(), 1024u);
}

TEST_F(RawTest, AReadOnlyOneIsNeverFlushed) {
  auto disk = open({.writing = Writing::kRefused});
  EXPECT_TRUE(disk->flush());
  std::vector<std::byte> buffer(512);
  EXPECT_FALSE(disk->write(0, Pieces(buffer)));
}

TEST_F(RawTest, EachSync) {
  for (Sync sync : {Sync::kNone, Sync::kRelaxed, Sync::kFull}) {
    auto disk = open({.sync = sync});
    ASSERT_TRUE(disk->write(0, Pieces(std::span(scratch_.keep(pattern(512, 4))))));
    EXPECT_TRUE(disk->flush());
  }
}

TEST_F(RawTest, DirectWithAnyAlignment) {
  Scratch disk_scratch(Scratch::Where::kDisk);
  path_ = disk_scratch.make("disk.img", 1 << 20);
  auto file = HostFile::open(path_, {.cache = HostCache::kBypassed});
  if (!file && file.error().code == ErrorCode::kUnsupported) GTEST_SKIP() << file.error().message();
  auto disk = RawDisk::create(std::move(file).value()).value();
  std::vector<std::byte> model(1 << 20);
  uint64_t seed = 1;
  for (int i = 0; i < 100; ++i) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    uint64_t offset = (seed >> 20) % 2000 * 512, size = 512 + (seed >> 40) % 40 * 512;
    if (offset + size > model.size()) continue;
    auto data = pattern(size + 1, static_cast<unsigned>(i));
    std::span<std::byte> part = std::span(data).subspan(i % 2, size);  // Memory that is aligned, and not.
    ASSERT_TRUE(disk->write(offset, Pieces(part)));
    std::ranges::copy(part, model.begin() + static_cast<ptrdiff_t>(offset));
    EXPECT_EQ(read_at(*disk, offset, size), std::vector<std::byte>(part.begin(), part.end()));
  }
  EXPECT_EQ(read_at(*disk, 0, model.size()), model);
  EXPECT_EQ(length(), 1u << 20);
}

}  // namespace
}  // namespace cloche::block
