// The DAX window: files of the host in it as the guest asks, memory where there are none, and nothing that a wrong
// request or a file that changes its length could break.
#include <sys/stat.h>

#include "devices/fs/testing/fuse_client.h"

namespace cloche::fs {
namespace {

constexpr uint64_t kGranule = 2 << 20;
constexpr uint64_t kWindow = 4 * kGranule;
constexpr uint64_t kRead = FUSE_SETUPMAPPING_FLAG_READ, kWrite = FUSE_SETUPMAPPING_FLAG_WRITE;
constexpr size_t kPage = 4096;

class DaxTest : public testing::Test {
 protected:
  void share(Options options = {.tag = "share"}) {
    options.dax_window_bytes = kWindow;
    shared.emplace(Node::host(path_fd(dir.path())), std::move(options));
  }
  FuseClient& client() { return shared->client; }
  uint64_t file(const std::string& name, uint64_t size, char fill = 'f') {
    dir.write(name, std::string(size, fill));
    return client().walk(name);
  }
  int set_up(uint64_t node, const fuse_setupmapping_in& in) {
    return client().call(FUSE_SETUPMAPPING, node, bytes_of(in)).error;
  }
  // Maps a granule of a file, to be read.
  int map(uint64_t node, uint64_t place, uint64_t offset = 0, uint64_t flags = kRead) {
    return set_up(node, {.fh = 0, .foffset = offset, .len = kGranule, .flags = flags, .moffset = place});
  }
  int remove(std::vector<fuse_removemapping_one> ones) {
    Bytes body = bytes_of(fuse_removemapping_in{static_cast<uint32_t>(ones.size())});
    for (auto& one : ones) body = body + bytes_of(one);
    return client().call(FUSE_REMOVEMAPPING, 1, body).error;
  }
  // What the guest would see in the window.
  char& at(uint64_t place) { return reinterpret_cast<char*>(shared->fs->shared_memory().data())[place]; }

  TempDir dir;
  std::optional<Share> shared;
};

TEST_F(DaxTest, IsAgreedOnWhenBothHaveIt) {
  share();
  EXPECT_EQ(shared->fs->shared_memory().size(), kWindow);
  fuse_init_out out = client().init(FUSE_MAP_ALIGNMENT | FUSE_INIT_EXT);
  EXPECT_TRUE(out.flags & FUSE_MAP_ALIGNMENT);
  EXPECT_EQ(uint64_t{1} << out.map_alignment, kGranule);
  uint64_t node = file("file", 10);
  EXPECT_TRUE(client().attributes(node).flags & FUSE_ATTR_DAX);
  EXPECT_FALSE(client().attributes(1).flags & FUSE_ATTR_DAX) << "a directory";
  EXPECT_FALSE(client().init(0).flags & FUSE_MAP_ALIGNMENT);
  node = client().walk("file");
  EXPECT_FALSE(client().attributes(node).flags & FUSE_ATTR_DAX) << "a guest that knows no DAX";
  EXPECT_EQ(map(node, 0), ENOSYS);
}

TEST_F(DaxTest, WithoutAWindowThereIsNone) {
  shared.emplace(Node::host(path_fd(dir.path())));
  EXPECT_TRUE(shared->fs->shared_memory().empty());
  uint64_t node = file("file", 10);
  EXPECT_FALSE(client().attributes(node).flags & FUSE_ATTR_DAX);
  EXPECT_EQ(map(node, 0), ENOSYS);
  EXPECT_EQ(remove({{0, kGranule}}), ENOSYS);
}

TEST_F(DaxTest, TheHostsFileLiesInTheWindow) {
  share();
  uint64_t node = file("file", kGranule + kPage);
  ASSERT_EQ(map(node, kGranule, 0, kRead | kWrite), 0);
  ASSERT_EQ(map(node, 3 * kGranule, kGranule), 0);
  EXPECT_EQ(at(kGranule), 'f');
  EXPECT_EQ(at(3 * kGranule + kPage - 1), 'f');
  at(kGranule + 5) = 'G';
  EXPECT_EQ(dir.read("file")[5], 'G') << "what the guest writes";
  int fd = ::open(dir.path("file").c_str(), O_WRONLY);
  EXPECT_EQ(::pwrite(fd, "H", 1, 7), 1);
  ::close(fd);
  EXPECT_EQ(at(kGranule + 7), 'H') << "what the host writes";
  EXPECT_EQ(at(0), 0) << "nothing is mapped there";
}

TEST_F(DaxTest, RemovedMappingsAreMemoryOfZeros) {
  share();
  uint64_t node = file("file", 2 * kGranule);
  ASSERT_EQ(set_up(node, {.fh = 0, .foffset = 0, .len = 2 * kGranule, .flags = kRead, .moffset = 0}), 0);
  EXPECT_EQ(remove({{0, kGranule}}), 0);
  EXPECT_EQ(at(0), 0);
  at(0) = 'x';
  EXPECT_EQ(at(kGranule), 'f');
  EXPECT_EQ(dir.read("file")[0], 'f');
  EXPECT_EQ(remove({{0, kGranule}, {kGranule, kGranule}}), 0) << "removed already";
  EXPECT_EQ(at(kGranule), 0);
}

TEST_F(DaxTest, AnotherFileTakesAPlace) {
  share();
  ASSERT_EQ(map(file("a", kPage, 'a'), 0), 0);
  ASSERT_EQ(map(file("b", kPage, 'b'), 0), 0);
  EXPECT_EQ(at(0), 'b');
  client().init();
  EXPECT_EQ(at(0), 0) << "a new session has none of it";
}

TEST_F(DaxTest, WrongRangesAreRefused) {
  share();
  uint64_t node = file("file", 10);
  std::vector<fuse_setupmapping_in> wrong{
      {.fh = 0, .foffset = 0, .len = 0, .flags = kRead, .moffset = 0},
      {.fh = 0, .foffset = 0, .len = kPage, .flags = kRead, .moffset = 0},
      {.fh = 0, .foffset = 0, .len = kGranule, .flags = kRead, .moffset = kPage},
      {.fh = 0, .foffset = kPage, .len = kGranule, .flags = kRead, .moffset = 0},
      {.fh = 0, .foffset = 0, .len = kGranule, .flags = kRead, .moffset = kWindow},
      {.fh = 0, .foffset = 0, .len = 2 * kGranule, .flags = kRead, .moffset = kWindow - kGranule},
      {.fh = 0, .foffset = 0, .len = -kGranule, .flags = kRead, .moffset = 2 * kGranule},
      {.fh = 0, .foffset = 0, .len = kGranule, .flags = kRead, .moffset = -kGranule},
      {.fh = 0, .foffset = -kGranule, .len = kGranule, .flags = kRead, .moffset = 0},
      {.fh = 0, .foffset = 1ull << 63, .len = kGranule, .flags = kRead, .moffset = 0},
      {.fh = 0, .foffset = 0, .len = kGranule, .flags = 1 << 2, .moffset = 0},
  };
  for (auto& in : wrong) EXPECT_EQ(set_up(node, in), EINVAL) << in.foffset << " " << in.len << " " << in.moffset;
  std::vector<fuse_removemapping_one> none{{0, 0}, {1, kGranule}, {0, 1}, {kWindow, kGranule}, {0, 2 * kWindow}};
  none.push_back({-kGranule, kGranule});
  for (auto& one : none) EXPECT_EQ(remove({one}), EINVAL) << one.moffset << " " << one.len;
  EXPECT_EQ(remove(std::vector<fuse_removemapping_one>(257, {0, kGranule})), EINVAL);
  Bytes claims = bytes_of(fuse_removemapping_in{~0u}) + bytes_of(fuse_removemapping_one{0, kGranule});
  EXPECT_EQ(client().call(FUSE_REMOVEMAPPING, 1, claims).error, EINVAL) << "fewer than it says";
  for (uint64_t place = 0; place < kWindow; place += kPage) EXPECT_EQ(at(place), 0);
}

TEST_F(DaxTest, OnlyFilesOfTheHostCanBeMapped) {
  share({.tag = "share", .injected = {{.path = "injected", .contents = "x"}}});
  ASSERT_EQ(::mkfifo(dir.path("fifo").c_str(), 0600), 0);
  std::filesystem::create_symlink("/etc/passwd", dir.path("link"));
  EXPECT_NE(map(1, 0), 0);
  EXPECT_NE(map(client().walk("fifo"), 0), 0);
  EXPECT_NE(map(client().walk("link"), 0), 0);
  EXPECT_NE(map(client().walk("injected"), 0), 0);
  EXPECT_FALSE(client().attributes(client().walk("injected")).flags & FUSE_ATTR_DAX);
  EXPECT_EQ(map(12345, 0), ENOENT);
}

TEST_F(DaxTest, AReadOnlyShareIsMappedToBeRead) {
  share({.tag = "share", .read_only = true});
  uint64_t node = file("file", 10);
  EXPECT_EQ(map(node, 0, 0, kRead | kWrite), EROFS);
  EXPECT_EQ(map(node, 0), 0);
  EXPECT_EQ(at(0), 'f');
  EXPECT_EXIT((signal(SIGSEGV, [](int) { ::_exit(3); }), at(0) = 'x'), testing::ExitedWithCode(3), "");
}

TEST_F(DaxTest, AFileThatShrankIsMemoryBehindItsEnd) {
  share();
  uint64_t node = file("file", kGranule);
  ASSERT_EQ(map(node, 0, 0, kRead | kWrite), 0);
  EXPECT_EQ(shared->fs->repair_window(), 0u) << "nothing has changed";
  std::filesystem::resize_file(dir.path("file"), kPage + 1);
  EXPECT_EQ(shared->fs->repair_window(), 1u);
  EXPECT_EQ(shared->fs->repair_window(), 1u);
  EXPECT_EQ(at(0), 'f');
  EXPECT_EQ(at(2 * kPage), 0);
  at(2 * kPage) = 'x';
  EXPECT_EQ(std::filesystem::file_size(dir.path("file")), kPage + 1);
  std::filesystem::resize_file(dir.path("file"), 4 * kPage);
  EXPECT_EQ(client().attributes(node).size, 4 * kPage);
  at(2 * kPage) = 'y';
  EXPECT_EQ(dir.read("file")[2 * kPage], 'y') << "grown again, it is the file's";
}

TEST_F(DaxTest, AFileThatTheGuestLetsGrowIsTheFilesAtOnce) {
  share();
  uint64_t node = file("file", kPage), other = file("other", kPage, 'o');
  uint64_t handle = client().open_handle(node, O_RDWR), from = client().open_handle(other, O_RDONLY);
  ASSERT_EQ(map(node, 0, 0, kRead | kWrite), 0);
  shared->fs->repair_window();
  EXPECT_EQ(at(kPage), 0);
  EXPECT_EQ(client().write({node, handle, kPage}, "written").error, 0);
  EXPECT_EQ(at(kPage), 'w');
  shared->fs->repair_window();
  EXPECT_EQ(client().call(FUSE_FALLOCATE, node, bytes_of(fuse_fallocate_in{handle, 0, 4 * kPage, 0, 0})).error, 0);
  at(3 * kPage) = 'm';
  EXPECT_EQ(dir.read("file")[3 * kPage], 'm');
  shared->fs->repair_window();
  fuse_copy_file_range_in copy{from, 0, node, handle, 5 * kPage, kPage, 0};
  EXPECT_EQ(client().call(FUSE_COPY_FILE_RANGE, other, bytes_of(copy)).error, 0);
  EXPECT_EQ(at(5 * kPage), 'o');
  shared->fs->repair_window();
  fuse_setattr_in in{};
  in.valid = FATTR_SIZE;
  in.size = 8 * kPage;
  EXPECT_EQ(client().setattr(node, in).error, 0);
  at(7 * kPage) = 's';
  EXPECT_EQ(dir.read("file")[7 * kPage], 's');
}

TEST_F(DaxTest, AFileRemovedStaysMapped) {
  share();
  uint64_t node = file("file", kPage);
  ASSERT_EQ(map(node, 0), 0);
  std::filesystem::remove(dir.path("file"));
  shared->fs->repair_window();
  EXPECT_EQ(at(0), 'f');
  client().forget(node, ~0ull);
  shared->fs->repair_window();
  EXPECT_EQ(at(0), 'f');
}

TEST_F(DaxTest, MappingsHoldNoDescriptors) {
  share();
  uint64_t node = file("file", 4 * kGranule);
  for (uint64_t place = 0; place < kWindow; place += kGranule) ASSERT_EQ(map(node, place, place), 0);
  auto open = [] {
    std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  };
  auto before = open();
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(map(node, 0), 0);
  EXPECT_EQ(open(), before);
}

}  // namespace
}  // namespace cloche::fs
