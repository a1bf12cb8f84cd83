// OPEN, CREATE, READ, WRITE and the other requests on open files.
#include <sys/stat.h>

#include "devices/fs/host.h"
#include "devices/fs/testing/fuse_client.h"

namespace cloche::fs {
namespace {

std::string numbers(size_t size) {
  std::string text;
  for (unsigned i = 0; text.size() < size; ++i) text += std::to_string(i) + ",";
  text.resize(size);
  return text;
}

TEST(Read, GivesTheFileInPieces) {
  SharedDir shared;
  std::string data = numbers(10'000);
  shared.dir.write("file", data);
  uint64_t node = shared.client.walk("file");
  uint64_t handle = shared.client.open_handle(node, O_RDONLY);
  EXPECT_EQ(string_of(shared.client.read({node, handle, 0}, 4096).body), data.substr(0, 4096));
  EXPECT_EQ(string_of(shared.client.read({node, handle, 9'000}, 4096).body), data.substr(9'000));
  EXPECT_EQ(shared.client.read({node, handle, 10'000}, 4096).body.size(), 0u);
  EXPECT_EQ(shared.client.read({node, handle, ~0ull}, 4096).error, EINVAL);
  EXPECT_EQ(shared.client.release(node, handle).error, 0);
  EXPECT_EQ(shared.client.release(node, handle).error, EBADF);
  EXPECT_EQ(shared.client.read({node, handle, 0}, 10).error, EBADF);
}

TEST(Read, ScattersOverManyDescriptors) {
  SharedDir shared;
  std::string data = numbers(200'000);
  shared.dir.write("file", data);
  uint64_t node = shared.client.walk("file");
  fuse_read_in in{};
  in.fh = shared.client.open_handle(node, O_RDONLY);
  in.offset = 3;
  in.size = 199'000;
  // The header split over three buffers, data over odd ones.
  Bytes request = shared.client.request(FUSE_READ, node, bytes_of(in));
  virtio::FakeRequest chain;
  chain.readable = {Bytes(request.begin(), request.begin() + 7), Bytes(request.begin() + 7, request.begin() + 41),
                    Bytes(request.begin() + 41, request.end())};
  chain.writable = {5, 11, 1};
  for (size_t left = 199'000 - 1; left != 0;) {
    auto take = static_cast<uint32_t>(std::min<size_t>(left, 977));
    chain.writable.push_back(take);
    left -= take;
  }
  Answer answer = shared.client.send(chain);
  EXPECT_EQ(answer.error, 0);
  EXPECT_EQ(string_of(answer.body), data.substr(3, 199'000));
}

TEST(Read, NeverMoreThanTheReplyHolds) {
  SharedDir shared;
  shared.dir.write("file", numbers(1000));
  uint64_t node = shared.client.walk("file");
  fuse_read_in in{};
  in.fh = shared.client.open_handle(node, O_RDONLY);
  in.size = ~0u;
  EXPECT_EQ(shared.client.call(FUSE_READ, node, bytes_of(in), 16 + 10).body.size(), 10u);
  EXPECT_EQ(shared.client.call(FUSE_READ, node, bytes_of(in), 16).body.size(), 0u);
}

TEST(Write, GathersFromManyDescriptors) {
  SharedDir shared;
  std::string data = numbers(100'000);
  auto made = shared.client.create(1, "file", O_RDWR, 0644);
  ASSERT_EQ(made.error, 0);
  fuse_write_in in{};
  in.fh = made.as<fuse_open_out>(sizeof(fuse_entry_out)).fh;
  in.offset = 5;
  in.size = static_cast<uint32_t>(data.size());
  Bytes request = shared.client.request(FUSE_WRITE, made.as<fuse_entry_out>().nodeid, bytes_of(in) + raw(data));
  virtio::FakeRequest chain{.readable = {}, .writable = {9, 100}};
  for (size_t at = 0; at < request.size(); at += 1021) {
    chain.readable.emplace_back(request.begin() + static_cast<long>(at),
                                request.begin() + static_cast<long>(std::min(at + 1021, request.size())));
  }
  Answer answer = shared.client.send(chain);
  EXPECT_EQ(answer.as<fuse_write_out>().size, data.size());
  EXPECT_EQ(shared.dir.read("file"), std::string(5, '\0') + data);
}

TEST(Write, SizeMustMatchTheData) {
  SharedDir shared;
  auto made = shared.client.create(1, "file", O_RDWR, 0644);
  fuse_write_in in{};
  in.fh = made.as<fuse_open_out>(sizeof(fuse_entry_out)).fh;
  in.size = 11;
  EXPECT_EQ(shared.client.call(FUSE_WRITE, 2, bytes_of(in) + raw("0123456789")).error, EINVAL);
  in.size = 10;
  in.offset = ~0ull;  // To pwritev2 this would be the file's own position.
  EXPECT_EQ(shared.client.call(FUSE_WRITE, 2, bytes_of(in) + raw("0123456789")).error, EINVAL);
  EXPECT_EQ(shared.dir.read("file"), "");
}

TEST(Write, AppendsAtTheHostsEndButWritesPagesBackInPlace) {
  SharedDir shared;
  shared.dir.write("file", "0123");
  uint64_t node = shared.client.walk("file");
  uint64_t handle = shared.client.open_handle(node, O_RDWR | O_APPEND);
  shared.dir.write("file", "012345");  // The host wrote meanwhile: the guest's offset is stale.
  EXPECT_EQ(shared.client.write({node, handle, 4}, "ab", O_RDWR | O_APPEND).error, 0);
  EXPECT_EQ(shared.dir.read("file"), "012345ab");
  EXPECT_EQ(shared.client.write({node, handle, 0}, "XY", 0, FUSE_WRITE_CACHE).error, 0);
  EXPECT_EQ(shared.dir.read("file"), "XY2345ab");
}

TEST(Write, NeedsAHandleOpenForWriting) {
  SharedDir shared;
  shared.dir.write("file", "0123");
  uint64_t node = shared.client.walk("file");
  uint64_t handle = shared.client.open_handle(node, O_RDONLY);
  EXPECT_EQ(shared.client.write({node, handle, 0}, "x").error, EBADF);
  EXPECT_EQ(shared.client.write({node, 999, 0}, "x").error, EBADF);
}

TEST(Open, TruncatesWhenAsked) {
  SharedDir shared;
  shared.dir.write("file", "0123");
  shared.client.open_handle(shared.client.walk("file"), O_WRONLY | O_TRUNC);
  EXPECT_EQ(shared.dir.read("file"), "");
}

TEST(Open, FlagsThatWouldLeadElsewhereAreDropped) {
  SharedDir shared;
  shared.dir.write("file", "0123");
  uint64_t node = shared.client.walk("file");
  constexpr uint32_t kOdd = O_CREAT | O_EXCL | O_NOFOLLOW | O_DIRECT | O_PATH | O_TMPFILE | O_NOATIME;
  uint64_t handle = shared.client.open_handle(node, O_RDONLY | kOdd);
  EXPECT_EQ(string_of(shared.client.read({node, handle, 0}, 10).body), "0123");
}

TEST(Open, OfADirectoryIsEisdirAndTheOtherWayEnotdir) {
  SharedDir shared;
  shared.dir.write("file", "");
  EXPECT_EQ(shared.client.open(1, O_RDONLY).error, EISDIR);
  EXPECT_EQ(shared.client.call(FUSE_OPENDIR, shared.client.walk("file"), bytes_of(fuse_open_in{})).error, ENOTDIR);
}

TEST(Open, HandlesOfFilesAndDirectoriesAreDistinct) {
  SharedDir shared;
  shared.dir.write("file", "");
  uint64_t node = shared.client.walk("file");
  uint64_t file = shared.client.open_handle(node, O_RDONLY);
  uint64_t directory = shared.client.open_directory(1);
  EXPECT_EQ(shared.client.read({1, directory, 0}, 10).error, EBADF);
  EXPECT_EQ(shared.client.read_page({1, file, 0}, 4096).error, EBADF);
  EXPECT_EQ(shared.client.release(1, directory).error, EBADF);
  EXPECT_EQ(shared.client.release(1, file, FUSE_RELEASEDIR).error, EBADF);
}

// On a file system of this host closing has nothing to report, unless locks are given up by it.
TEST(Open, KeepsTheCacheAndSparesFlushes) {
  SharedDir shared, uncached({.tag = "share", .cache = Cache::kNone}), locked({.tag = "s", .locks = LockScope::kHost});
  for (SharedDir* each : {&shared, &uncached, &locked}) each->dir.write("file", "x");
  auto flags = [](SharedDir& share, uint32_t asked) {
    return share.client.open(share.client.walk("file"), asked).as<fuse_open_out>().open_flags;
  };
  constexpr uint32_t kKeep = FOPEN_KEEP_CACHE, kNoFlush = FOPEN_NOFLUSH, kDirect = FOPEN_DIRECT_IO;
  EXPECT_EQ(flags(shared, O_RDONLY), kKeep | kNoFlush);
  EXPECT_EQ(flags(shared, O_RDWR), kKeep | kNoFlush);
  EXPECT_EQ(flags(uncached, O_RDWR), kDirect | kNoFlush);
  EXPECT_EQ(flags(locked, O_RDONLY), kKeep);
}

TEST(FileSystemOf, TellsThisHostsFromOthersAndFromTheKernels) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  Fd pipe(ends[0]), other(ends[1]);
  EXPECT_EQ(file_system_of(pipe), FileSystem::kOther);
  EXPECT_EQ(file_system_of(path_fd("/dev/shm")), FileSystem::kLocal);
  EXPECT_EQ(file_system_of(path_fd("/proc")), FileSystem::kKernelInterface);
}

TEST(Files, FlushAndFsync) {
  SharedDir shared;
  auto made = shared.client.create(1, "file", O_RDWR, 0644);
  uint64_t node = made.as<fuse_entry_out>().nodeid;
  fuse_flush_in flush{};
  flush.fh = made.as<fuse_open_out>(sizeof(fuse_entry_out)).fh;
  EXPECT_EQ(shared.client.call(FUSE_FLUSH, node, bytes_of(flush)).error, 0);
  fuse_fsync_in sync{};
  sync.fh = flush.fh;
  EXPECT_EQ(shared.client.call(FUSE_FSYNC, node, bytes_of(sync)).error, 0);
  sync.fsync_flags = FUSE_FSYNC_FDATASYNC;
  EXPECT_EQ(shared.client.call(FUSE_FSYNC, node, bytes_of(sync)).error, 0);
  sync.fh = shared.client.open_directory(1);
  EXPECT_EQ(shared.client.call(FUSE_FSYNCDIR, 1, bytes_of(sync)).error, 0);
  EXPECT_EQ(shared.client.call(FUSE_FSYNC, node, bytes_of(sync)).error, EBADF);
  EXPECT_EQ(shared.client.call(FUSE_SYNCFS, 1, Bytes(8)).error, 0);
}

TEST(Files, FallocateAndLseek) {
  SharedDir shared;
  auto made = shared.client.create(1, "file", O_RDWR, 0644);
  uint64_t node = made.as<fuse_entry_out>().nodeid;
  fuse_fallocate_in in{};
  in.fh = made.as<fuse_open_out>(sizeof(fuse_entry_out)).fh;
  in.length = 1 << 20;
  EXPECT_EQ(shared.client.call(FUSE_FALLOCATE, node, bytes_of(in)).error, 0);
  EXPECT_EQ(shared.client.attributes(node).size, 1u << 20);
  in.mode = 0x40;  // Unshare: not one of those the guest's kernel sends.
  EXPECT_EQ(shared.client.call(FUSE_FALLOCATE, node, bytes_of(in)).error, EOPNOTSUPP);
  fuse_lseek_in seek{};
  seek.fh = in.fh;
  seek.whence = SEEK_HOLE;
  EXPECT_LE(shared.client.call(FUSE_LSEEK, node, bytes_of(seek)).as<fuse_lseek_out>().offset, 1u << 20);
  seek.whence = SEEK_SET;
  EXPECT_EQ(shared.client.call(FUSE_LSEEK, node, bytes_of(seek)).error, EINVAL);
  seek.whence = SEEK_DATA;
  seek.offset = ~0ull;
  EXPECT_EQ(shared.client.call(FUSE_LSEEK, node, bytes_of(seek)).error, ENXIO);
}

TEST(Files, CopyFileRange) {
  SharedDir shared;
  shared.dir.write("from", "0123456789");
  uint64_t from = shared.client.walk("from");
  auto made = shared.client.create(1, "to", O_RDWR, 0644);
  fuse_copy_file_range_in in{};
  in.fh_in = shared.client.open_handle(from, O_RDONLY);
  in.off_in = 2;
  in.nodeid_out = made.as<fuse_entry_out>().nodeid;
  in.fh_out = made.as<fuse_open_out>(sizeof(fuse_entry_out)).fh;
  in.len = ~0ull;
  EXPECT_EQ(shared.client.call(FUSE_COPY_FILE_RANGE, from, bytes_of(in)).as<fuse_write_out>().size, 8u);
  EXPECT_EQ(shared.dir.read("to"), "23456789");
  in.fh_out = 12345;
  EXPECT_EQ(shared.client.call(FUSE_COPY_FILE_RANGE, from, bytes_of(in)).error, EBADF);
}

TEST(Files, StayReadableAfterUnlink) {
  SharedDir shared;
  shared.dir.write("file", "still");
  uint64_t node = shared.client.walk("file");
  uint64_t handle = shared.client.open_handle(node, O_RDONLY);
  EXPECT_EQ(shared.client.call(FUSE_UNLINK, 1, text("file")).error, 0);
  EXPECT_EQ(string_of(shared.client.read({node, handle, 0}, 10).body), "still");
  EXPECT_EQ(shared.client.attributes(node).nlink, 0u);
}

// Linux clears set-id bits when one without CAP_FSETID writes; the guest says when that is so.
TEST(Privileges, WritesClearSetIdBitsWhenTheGuestSaysSo) {
  SharedDir shared;
  shared.dir.write("file", "0123");
  uint64_t node = shared.client.walk("file");
  uint64_t handle = shared.client.open_handle(node, O_RDWR);
  auto mode = [&] { return shared.client.attributes(node).mode & 07777; };
  ASSERT_EQ(::chmod(shared.dir.path("file").c_str(), 06755), 0);
  if (is_root()) {
    shared.client.write({node, handle, 0}, "x");
    EXPECT_EQ(mode(), 06755u);
  }
  shared.client.write({node, handle, 0}, "x", 0, FUSE_WRITE_KILL_SUIDGID);
  EXPECT_EQ(mode(), 0755u);
  ASSERT_EQ(::chmod(shared.dir.path("file").c_str(), 06755), 0);
  fuse_setattr_in in{};
  in.valid = FATTR_SIZE | FATTR_KILL_SUIDGID;
  in.size = 2;
  EXPECT_EQ(shared.client.setattr(node, in).as<fuse_attr_out>().attr.mode & 07777, 0755u);
  ASSERT_EQ(::chmod(shared.dir.path("file").c_str(), 06755), 0);
  shared.client.call(FUSE_OPEN, node, bytes_of(fuse_open_in{O_WRONLY | O_TRUNC, FUSE_OPEN_KILL_SUIDGID}));
  EXPECT_EQ(mode(), 0755u);
}

}  // namespace
}  // namespace cloche::fs
