#include "devices/block/qcow2.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <random>

#include "devices/block/big_endian.h"
#include "devices/block/image.h"
#include "devices/block/testing/qemu_img.h"
#include "devices/block/testing/scratch.h"

namespace cloche::block {
namespace {

constexpr uint64_t kSize = 4 << 20;

class Qcow2Test : public ::testing::Test {
 protected:
  void make(const std::string& options = "", uint64_t size = kSize) {
    disk_.reset();
    qemu_img(fmt::format("create -q -f qcow2 {} {} {}", options, path_, size));
    size_ = size;
    model_.assign(size, std::byte{0});
  }
  Result<void> reopen(HostFileOptions options = {}, const std::string& backing = "") {
    disk_.reset();
    disk_ = TRY(open_image({.path = path_, .format = Format::kQcow2, .file = options, .backing_path = backing}));
    return {};
  }
  void open(HostFileOptions options = {}, const std::string& backing = "") {
    auto opened = reopen(options, backing);
    ASSERT_TRUE(opened) << opened.error().message();
  }
  std::string why_not(HostFileOptions options = {}) {
    auto opened = reopen(options);
    return opened ? "it is taken" : opened.error().message();
  }
  void write(uint64_t offset, size_t size, unsigned seed) {
    auto data = pattern(size, seed);
    std::ranges::copy(data, model_.begin() + static_cast<ptrdiff_t>(offset));
    write_at(*disk_, offset, std::move(data));
  }
  void clear(uint64_t offset, size_t size) {
    std::fill_n(model_.begin() + static_cast<ptrdiff_t>(offset), size, std::byte{0});
    auto done = disk_->zero(offset, size, Space::kKept);
    EXPECT_TRUE(done) << done.error().message();
  }
  void expect_model() { EXPECT_TRUE(read_at(*disk_, 0, size_) == model_); }
  // QEMU finds nothing wrong, and the same contents.
  void expect_good(const std::string& more = "") {
    ASSERT_TRUE(disk_->flush());
    disk_.reset();
    EXPECT_EQ(qemu_img_code(fmt::format("check -q {}", path_)), 0);
    std::string raw = scratch_.path("converted.raw");
    qemu_img(fmt::format("convert {} -f qcow2 -O raw {} {}", more, path_, raw));
    std::string text = scratch_.read("converted.raw");
    auto bytes = std::as_bytes(std::span(text));
    EXPECT_TRUE(std::ranges::equal(bytes, model_));
  }
  // Reads and writes at random, against a model.
  void play(unsigned seed, int steps) {
    std::mt19937 random(seed);
    for (int i = 0; i < steps; ++i) {
      uint64_t sectors = size_ / 512, offset = random() % sectors * 512;
      size_t size = std::min<uint64_t>(size_ - offset, (1 + random() % 150) * 512);
      switch (random() % 6) {
        case 0:
          clear(offset, size);
          break;
        case 1:
          ASSERT_TRUE(disk_->flush());
          break;
        case 2:
        case 3:
          EXPECT_TRUE(std::ranges::equal(read_at(*disk_, offset, size), std::span(model_).subspan(offset, size)));
          break;
        default:
          write(offset, size, static_cast<unsigned>(i));
      }
    }
  }
  // Bytes of the image, changed.
  void patch(uint64_t offset, std::vector<uint8_t> bytes) {
    disk_.reset();
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  uint64_t number(uint64_t offset) {
    std::string text = scratch_.read("disk.qcow2");
    return load_big<uint64_t>(std::as_bytes(std::span(text)), offset);
  }
  std::vector<uint8_t> big(uint64_t value) {
    std::vector<uint8_t> bytes(8);
    store_big(std::as_writable_bytes(std::span(bytes)), 0, value);
    return bytes;
  }

  Scratch scratch_;
  std::string path_ = scratch_.path("disk.qcow2");
  std::unique_ptr<Disk> disk_;
  uint64_t size_ = 0;
  std::vector<std::byte> model_;
};

TEST_F(Qcow2Test, EveryKindOfCluster) {
  for (const char* options : {"", "-o compat=0.10", "-o cluster_size=512", "-o cluster_size=4k", "-o cluster_size=2M",
                              "-o preallocation=metadata", "-o preallocation=falloc", "-o lazy_refcounts=on"}) {
    SCOPED_TRACE(options);
    make(options);
    open();
    EXPECT_EQ(disk_->size(), kSize);
    expect_model();
    play(1, 50);
    expect_model();
    ASSERT_TRUE(disk_->flush());
    open();
    expect_model();
    play(2, 20);
    expect_good();
  }
}

TEST_F(Qcow2Test, EachSync) {
  for (Sync sync : {Sync::kNone, Sync::kRelaxed, Sync::kFull}) {
    make();
    open({.sync = sync});
    play(3, 80);
    if (sync != Sync::kFull) {
      // As a process that was killed leaves it: nobody flushed.
      disk_.reset();
      open({.sync = sync});
      expect_model();
    }
    expect_good();
  }
}

TEST_F(Qcow2Test, WhatWasNotFlushedIsBroughtToTheFileAtTheEnd) {
  make();
  open();
  write(0, 300'000, 1);
  ASSERT_TRUE(disk_->settle());
  disk_.reset();
  open();
  expect_model();
}

TEST_F(Qcow2Test, Direct) {
  Scratch disk_scratch(Scratch::Where::kDisk);
  path_ = disk_scratch.path("disk.qcow2");
  make("-o cluster_size=4k");
  auto opened = reopen({.cache = HostCache::kBypassed, .sync = Sync::kNone});
  if (!opened && opened.error().code == ErrorCode::kUnsupported) GTEST_SKIP() << opened.error().message();
  ASSERT_TRUE(opened) << opened.error().message();
  play(4, 60);
  expect_good();
}

// A refcount table of one cluster of 512 bytes counts 8 MiB.
TEST_F(Qcow2Test, TheRefcountTableGrows) {
  make("-o cluster_size=512", 10 << 20);
  open({.sync = Sync::kNone});
  for (uint64_t at = 0; at < size_; at += 1 << 20) write(at, 1 << 20, static_cast<unsigned>(at >> 20));
  expect_model();
  expect_good();
}

TEST_F(Qcow2Test, DiscardGivesSpaceBack) {
  make();
  open();
  write(0, 2 << 20, 1);
  ASSERT_TRUE(disk_->flush());
  auto used = [this] {
    struct stat status{};
    ::stat(path_.c_str(), &status);
    return status.st_blocks * 512;
  };
  auto before = used();
  ASSERT_TRUE(disk_->discard(0, 2 << 20));
  ASSERT_TRUE(disk_->flush());
  EXPECT_LT(used(), before - (1 << 20));
  std::fill_n(model_.begin(), 2 << 20, std::byte{0});
  expect_model();
  write(1 << 20, 2 << 20, 2);  // Into clusters that were used before.
  ASSERT_TRUE(disk_->flush());
  EXPECT_LT(used(), before + (2 << 20));
  expect_good();
}

TEST_F(Qcow2Test, AGuestThatNeverFlushesDoesNotMakeItGrow) {
  make();
  open();
  for (unsigned i = 0; i < 4096; ++i) {  // Clusters of 64 KiB: 256 MiB.
    write(0, 65536, i);
    ASSERT_TRUE(disk_->discard(0, 65536));
  }
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_LT(status.st_size, 80 << 20);
  std::fill_n(model_.begin(), 65536, std::byte{0});
  expect_good();
}

TEST_F(Qcow2Test, CompressedClustersAreReadAndWrittenAnew) {
  auto content = pattern(kSize, 9);
  scratch_.write("content.raw", {reinterpret_cast<const char*>(content.data()), content.size()});
  make();
  qemu_img(fmt::format("convert -c -f raw -O qcow2 {} {}", scratch_.path("content.raw"), path_));
  model_ = content;
  open();
  expect_model();
  play(5, 80);
  expect_model();
  expect_good();
}

TEST_F(Qcow2Test, OnTopOfABackingFile) {
  auto content = pattern(kSize / 2, 9);  // Shorter than what is on top of it.
  std::string base = scratch_.write("base.raw", {reinterpret_cast<const char*>(content.data()), content.size()});
  for (const char* options : {"", "-o compat=0.10", "-o cluster_size=4k"}) {
    make(fmt::format("{} -F raw -b {}", options, base));
    std::ranges::copy(content, model_.begin());
    EXPECT_NE(why_not().find("base.raw"), std::string::npos);  // What the image names is not opened.
    open({}, base);
    expect_model();
    play(6, 60);
    ASSERT_TRUE(disk_->discard(0, 1 << 20));
    ASSERT_TRUE(disk_->flush());
    open({}, base);
    auto now = read_at(*disk_, 0, 1 << 20);
    std::ranges::copy(now, model_.begin());
    expect_good();
    EXPECT_TRUE(scratch_.read("base.raw") ==
                std::string(reinterpret_cast<const char*>(content.data()), content.size()));
  }
  make();
  EXPECT_FALSE(reopen({}, base));
}

TEST_F(Qcow2Test, WhatIsNotSupportedIsNamed) {
  make();
  patch(32 + 3, {2});  // The header's crypt_method: LUKS. To make one, qemu-img needs a processor that is not busy.
  EXPECT_NE(why_not().find("encryption"), std::string::npos);
  make("-o extended_l2=on");
  EXPECT_NE(why_not().find("extended L2"), std::string::npos);
  make(fmt::format("-o data_file={},data_file_raw=on", scratch_.path("data.raw")));
  EXPECT_NE(why_not().find("external data file"), std::string::npos);
  make("-o refcount_bits=1");
  EXPECT_NE(why_not().find("refcounts of 1 bits"), std::string::npos);
  EXPECT_TRUE(reopen({.writing = Writing::kRefused}));
  make();
  qemu_img(fmt::format("snapshot -c one {}", path_));
  EXPECT_NE(why_not().find("snapshots"), std::string::npos);
  EXPECT_TRUE(reopen({.writing = Writing::kRefused}));
  make();
  patch(72 + 7, {1});  // Dirty.
  EXPECT_NE(why_not().find("was not closed"), std::string::npos);
  patch(72 + 7, {2});
  EXPECT_NE(why_not().find("corrupt"), std::string::npos);
  patch(72, {0x80, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_NE(why_not().find("feature 63"), std::string::npos);
  make("-o compression_type=zstd");
  EXPECT_NE(why_not().find("compression type"), std::string::npos);
  scratch_.write("disk.qcow2", std::string(4096, 'x'));
  EXPECT_NE(why_not().find("format=raw"), std::string::npos);
}

TEST_F(Qcow2Test, ReadOnly) {
  make();
  open();
  write(100 * 512, 300'000, 1);
  ASSERT_TRUE(disk_->flush());
  open({.writing = Writing::kRefused});
  expect_model();
  EXPECT_TRUE(disk_->flush());
  EXPECT_TRUE(reopen({.writing = Writing::kRefused}));
}

TEST_F(Qcow2Test, AHeaderThatLies) {
  struct Case {
    uint64_t at;
    std::vector<uint8_t> bytes;
  };
  const Case cases[] = {
      {20, {0, 0, 0, 8}},                                     // Cluster bits.
      {20, {0, 0, 0, 22}},                                    //
      {20, {0xff, 0xff, 0xff, 0xff}},                         //
      {24, {0xff, 0xff, 0xff, 0xff}},                         // Size.
      {24, {0, 1, 0, 0}},                                     // More than its L1 holds.
      {36, {0xff, 0xff, 0xff, 0xff}},                         // L1 entries,
      {36, {0, 0, 0, 0}},                                     //
      {40, {0xff, 0xff, 0xff, 0xff}},                         // and their place.
      {40, {0, 0, 0, 0, 0, 0, 0, 0}},                         //
      {40, {0, 0, 0, 0, 0, 0, 0, 8}},                         //
      {40, {0, 0, 0, 0, 0, 1, 0, 0}},                         // On the refcount table.
      {48, {0xff, 0xff, 0xff, 0xff}},                         // Refcount table,
      {48, {0, 0, 0, 0, 0, 0, 0, 0}},                         //
      {56, {0xff, 0xff, 0xff, 0xff}},                         // and its clusters.
      {56, {0, 0, 0, 0}},                                     //
      {56, {0, 0, 0, 2}},                                     // With the next table in it.
      {96, {0, 0, 0, 7}},                                     // Refcount order.
      {100, {0, 0, 0, 71}},                                   // Header length.
      {100, {0xff, 0, 0, 0}},                                 //
      {8, {0, 0, 0, 0, 0, 1, 0, 0}},                          // Backing name outside,
      {8, {0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 4, 0}},        // half outside,
      {8, {0, 0, 0, 0, 0, 0, 2, 0, 0xff, 0xff, 0xff, 0xff}},  // and too long.
  };
  for (const Case& each : cases) {
    make();
    patch(each.at, each.bytes);
    EXPECT_FALSE(reopen()) << each.at << " " << int{each.bytes[0]};
  }
  make();
  std::string whole = scratch_.read("disk.qcow2");
  for (size_t size : {0, 4, 71, 103, 104, 65536, 131072}) {
    scratch_.write("disk.qcow2", whole.substr(0, size));
    EXPECT_FALSE(reopen()) << size;
  }
}

// Tables that lead out of the file, onto other tables, or in a circle: errors, at the latest where they are used.
TEST_F(Qcow2Test, TablesThatLie) {
  make();
  open();
  write(0, 1 << 20, 1);
  ASSERT_TRUE(disk_->flush());
  disk_.reset();
  uint64_t l1 = number(40), refcounts = number(48);
  uint64_t l2 = number(l1) & kQcow2Offset, block = number(refcounts), data = number(l2) & kQcow2Offset;
  std::string whole = scratch_.read("disk.qcow2");
  struct Case {
    uint64_t at, value;
    bool opens;
  };
  const Case cases[] = {
      {l1, kQcow2Copied | l1, false},                    // A table in a circle,
      {l1, kQcow2Copied | block, false},                 // on another one,
      {l1, kQcow2Copied | refcounts, false},             //
      {l1, 0x00ff'ffff'ffff'0000, true},                 // outside,
      {l1, kQcow2Copied | (l2 + 512), true},             // not where a cluster begins,
      {l1, kQcow2Copied | l2 | 1, true},                 // with bits that mean nothing.
      {l2, kQcow2Copied | l2, true},                     // Contents on a table,
      {l2, kQcow2Copied | block, true},                  //
      {l2, kQcow2Copied | 0x00ff'ffff'ffff'0000, true},  // outside,
      {l2, kQcow2Copied | (data + 512), true},           // not where a cluster begins.
      {l2, kQcow2Copied | data | 2, true},               // Bits that mean nothing.
      {l2, kQcow2Compressed | ~0ull >> 2, true},         // Compressed outside,
      {l2, kQcow2Compressed | data, true},               // or not compressed at all.
      {refcounts, 0x00ff'ffff'ffff'0000, false},
      {refcounts, block + 512, false},
      {refcounts, l2, false},
      {refcounts + 8, block, false},  // The same twice.
      {block, 0, true},               // Nothing is counted: what is there could be given away.
  };
  for (const Case& each : cases) {
    scratch_.write("disk.qcow2", whole);
    patch(each.at, big(each.value));
    auto opened = reopen({.sync = Sync::kNone});
    EXPECT_EQ(opened.has_value(), each.opens) << each.at << " " << each.value;
    if (!opened) continue;
    std::vector<std::byte> bytes(kSize / 2);
    for (uint64_t at = 0; at < kSize; at += 65536) {
      std::vector<std::byte> part(4096, std::byte{7});
      static_cast<void>(disk_->read(at, Pieces(part)));
      static_cast<void>(disk_->write(at, Pieces(part)));
    }
    static_cast<void>(disk_->zero(0, kSize / 2, Space::kKept));
    static_cast<void>(disk_->read(0, Pieces(bytes)));
    static_cast<void>(disk_->flush());
    disk_.reset();
    // The header was nobody's to overwrite.
    EXPECT_EQ(scratch_.read("disk.qcow2").substr(0, 48), whole.substr(0, 48));
  }
}

TEST_F(Qcow2Test, AFullHostGivesErrorsAndAGoodImage) {
  make();
  open();
  write(0, 100'000, 1);
  ASSERT_TRUE(disk_->flush());
  rlimit before{}, small{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  small = before;
  struct stat status{};
  ::stat(path_.c_str(), &status);
  small.rlim_cur = static_cast<rlim_t>(status.st_size);
  auto old = ::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &small);
  int failed = 0;
  for (uint64_t at = 1 << 20; at < kSize; at += 65536) {
    std::vector<std::byte> part(65536, std::byte{7});
    if (!disk_->write(at, Pieces(part)))
      ++failed;
    else
      std::ranges::copy(part, model_.begin() + static_cast<ptrdiff_t>(at));
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, old);
  EXPECT_GT(failed, 10);
  expect_model();
  expect_good();
}

TEST_F(Qcow2Test, WhatIsAtHandIsServedAtOnce) {
  make();
  open();
  std::vector<std::byte> part(4096, std::byte{5});
  EXPECT_FALSE(disk_->write_at_once(0, Pieces(part)));
  write(0, 200'000, 1);
  auto read = disk_->read_at_once(65536 - 2048, Pieces(part));
  if (read) {
    EXPECT_TRUE(std::ranges::equal(part, std::span(model_).subspan(65536 - 2048, 4096)));
  }
  EXPECT_FALSE(disk_->read_at_once(3 << 20, Pieces(part)));
  if (disk_->write_at_once(4096, Pieces(part))) std::ranges::copy(part, model_.begin() + 4096);
  expect_model();
}

}  // namespace
}  // namespace cloche::block
