// A share's quota: what is charged, refused and given back, and that no trick of the guest's gets it more.
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "devices/fs/quota.h"
#include "devices/fs/testing/fuse_client.h"

namespace cloche::fs {
namespace {

constexpr uint64_t kKib = 1024, kMib = 1024 * kKib;

// Tests count by what STATFS shows as free, which is the quota's as long as it is the smaller.
class QuotaTest : public testing::Test {
 protected:
  void share(QuotaLimits limits, Cache cache = Cache::kAuto) {
    shared = std::make_unique<SharedDir>(Options{.tag = "share", .cache = cache, .quota = limits});
    client = &shared->client;
  }
  fuse_kstatfs statfs() { return client->call(FUSE_STATFS, 1).as<fuse_statfs_out>().st; }
  uint64_t bytes_left() {
    fuse_kstatfs now = statfs();
    return now.bavail * now.frsize;
  }
  uint64_t inodes_left() { return statfs().ffree; }

  struct File {
    uint64_t node = 0, handle = 0;
  };
  File create(std::string_view name, uint32_t flags = O_RDWR) {
    Answer made = client->create(1, name, flags, 0600);
    EXPECT_EQ(made.error, 0) << name << ": " << std::strerror(made.error);
    return {made.as<fuse_entry_out>().nodeid, made.as<fuse_open_out>(sizeof(fuse_entry_out)).fh};
  }
  int write(File file, uint64_t offset, size_t size) {
    return client->write({file.node, file.handle, offset}, std::string(size, 'x')).error;
  }
  int fallocate(File file, uint64_t offset, uint64_t size, uint32_t mode = 0) {
    return client->call(FUSE_FALLOCATE, file.node, bytes_of(fuse_fallocate_in{file.handle, offset, size, mode, 0}))
        .error;
  }
  int truncate(File file, uint64_t size) {
    fuse_setattr_in in{};
    in.valid = FATTR_SIZE | FATTR_FH;
    in.fh = file.handle;
    in.size = size;
    return client->setattr(file.node, in).error;
  }
  int mkdir(std::string_view name, uint64_t parent = 1) {
    return client->call(FUSE_MKDIR, parent, bytes_of(fuse_mkdir_in{0755, 0}) + text(name)).error;
  }
  int symlink(std::string_view name) { return client->call(FUSE_SYMLINK, 1, text(name) + text("target")).error; }
  int mknod(std::string_view name) {
    return client->call(FUSE_MKNOD, 1, bytes_of(fuse_mknod_in{S_IFREG | 0600, 0, 0, 0}) + text(name)).error;
  }
  int link(uint64_t node, std::string_view name) {
    return client->call(FUSE_LINK, 1, bytes_of(fuse_link_in{node}) + text(name)).error;
  }
  int unlink(std::string_view name) { return client->call(FUSE_UNLINK, 1, text(name)).error; }
  int rename(std::string_view from, std::string_view to, uint32_t flags = 0) {
    return client->call(FUSE_RENAME2, 1, bytes_of(fuse_rename2_in{1, flags, 0}) + text(from) + text(to)).error;
  }
  void close(File file) { client->release(file.node, file.handle); }
  void forget(File file) { client->forget(file.node, ~0ull); }
  uint64_t on_host() const {
    uint64_t all = 0;
    for (auto& entry : std::filesystem::recursive_directory_iterator(shared->dir.path())) {
      struct stat status{};
      if (::lstat(entry.path().c_str(), &status) == 0) all += static_cast<uint64_t>(status.st_blocks) * 512;
    }
    return all;
  }

  std::unique_ptr<SharedDir> shared;
  FuseClient* client = nullptr;
};

TEST_F(QuotaTest, InodesOfEveryKindAreCountedAndGivenBack) {
  share({.inodes = 4});
  File file = create("file");
  EXPECT_EQ(mkdir("dir"), 0);
  EXPECT_EQ(symlink("link"), 0);
  EXPECT_EQ(mknod("node"), 0);
  EXPECT_EQ(inodes_left(), 0u);
  EXPECT_EQ(client->create(1, "more", O_RDWR, 0600).error, EDQUOT);
  EXPECT_EQ(mkdir("more"), EDQUOT);
  EXPECT_EQ(symlink("more"), EDQUOT);
  EXPECT_EQ(mknod("more"), EDQUOT);
  EXPECT_FALSE(std::filesystem::exists(shared->dir.path("more")));
  EXPECT_EQ(link(file.node, "second"), 0) << "one file, however many names";
  EXPECT_EQ(inodes_left(), 0u);
  for (const char* name : {"link", "node", "dir"}) client->forget(client->walk(name), ~0ull);
  EXPECT_EQ(unlink("link"), 0);
  EXPECT_EQ(unlink("node"), 0);
  EXPECT_EQ(client->call(FUSE_RMDIR, 1, text("dir")).error, 0);
  EXPECT_EQ(inodes_left(), 3u);
  EXPECT_EQ(unlink("file"), 0);
  EXPECT_EQ(inodes_left(), 3u) << "it has another name";
  close(file);
  forget(file);
  EXPECT_EQ(unlink("second"), 0);
  EXPECT_EQ(inodes_left(), 4u);
  EXPECT_EQ(unlink("second"), ENOENT);
  EXPECT_EQ(inodes_left(), 4u);
}

TEST_F(QuotaTest, BytesAreRefusedBeforeTheyAreWritten) {
  share({.bytes = 2 * kMib});
  File file = create("file");
  EXPECT_EQ(write(file, 0, 1 * kMib), 0);
  EXPECT_EQ(write(file, 1 * kMib, 512 * kKib), 0);
  EXPECT_EQ(write(file, 3 * kMib / 2, 1 * kMib), EDQUOT);
  EXPECT_EQ(std::filesystem::file_size(shared->dir.path("file")), 3 * kMib / 2);
  EXPECT_LE(on_host(), 2 * kMib);
  EXPECT_EQ(write(file, 0, 1 * kMib), 0) << "blocks that are there cost nothing";
  EXPECT_EQ(truncate(file, 0), 0);
  EXPECT_EQ(bytes_left(), 2 * kMib);
}

TEST_F(QuotaTest, WhenItIsUsedUpWhatIsThereCanStillBeChanged) {
  share({.bytes = 1 * kMib});
  File file = create("file");
  for (uint64_t at = 0; at < 1 * kMib && write(file, at, 4096) == 0; at += 4096) {
  }
  EXPECT_EQ(bytes_left(), 0u);
  EXPECT_EQ(write(file, 8192, 4096), 0);
  EXPECT_EQ(write(file, 2 * kMib, 1), EDQUOT);
  EXPECT_EQ(client->create(1, "more", O_RDWR, 0600).error, EDQUOT);
  EXPECT_EQ(mkdir("more"), EDQUOT);
  EXPECT_EQ(link(file.node, "more"), EDQUOT);
  EXPECT_EQ(rename("file", "renamed"), 0);
}

TEST_F(QuotaTest, HolesAreFreeUntilTheyAreFilled) {
  share({.bytes = 1 * kMib});
  File file = create("sparse");
  EXPECT_EQ(truncate(file, 1024 * kMib), 0);
  EXPECT_EQ(bytes_left(), 1 * kMib);
  int error = 0;
  uint64_t at = 0;
  // A page here and there, as write-back of a mapping does.
  for (; at < 1024 * kMib && error == 0; at += 64 * kKib) {
    error = client->write({file.node, file.handle, at}, std::string(4096, 'x'), 0, FUSE_WRITE_CACHE).error;
  }
  EXPECT_EQ(error, EDQUOT);
  EXPECT_LE(on_host(), 1 * kMib + 64 * kKib);
  EXPECT_GE(on_host(), 1 * kMib - 64 * kKib);
  EXPECT_EQ(fallocate(file, 0, 1024 * kMib, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE), 0);
  EXPECT_EQ(bytes_left(), 1 * kMib);
}

TEST_F(QuotaTest, ReservedSpaceIsCharged) {
  share({.bytes = 1 * kMib});
  File file = create("file");
  EXPECT_EQ(fallocate(file, 0, 2 * kMib), EDQUOT);
  EXPECT_EQ(fallocate(file, 0, uint64_t{1} << 50), EDQUOT);
  EXPECT_EQ(fallocate(file, INT64_MAX, INT64_MAX), EFBIG);
  EXPECT_EQ(fallocate(file, 0, 512 * kKib, FALLOC_FL_KEEP_SIZE), 0);
  EXPECT_EQ(bytes_left(), 512 * kKib);
  EXPECT_EQ(fallocate(file, 0, 512 * kKib, FALLOC_FL_KEEP_SIZE), 0) << "it is there already";
  EXPECT_EQ(fallocate(file, 512 * kKib, 512 * kKib + 1, FALLOC_FL_KEEP_SIZE), EDQUOT);
  EXPECT_LE(on_host(), 1 * kMib);
}

TEST_F(QuotaTest, AFileThatIsOpenTakesItsSpaceUntilItIsClosed) {
  share({.bytes = 1 * kMib, .inodes = 1});
  File file = create("file");
  EXPECT_EQ(write(file, 0, 512 * kKib), 0);
  EXPECT_EQ(unlink("file"), 0);
  forget(file);
  EXPECT_EQ(inodes_left(), 0u);
  EXPECT_LE(bytes_left(), 512 * kKib);
  EXPECT_EQ(write(file, 512 * kKib, 256 * kKib), 0);
  EXPECT_LE(bytes_left(), 256 * kKib);
  close(file);
  EXPECT_EQ(inodes_left(), 1u);
  EXPECT_EQ(bytes_left(), 1 * kMib);
}

TEST_F(QuotaTest, AFileThatIsKnownTakesItsSpaceUntilItIsForgotten) {
  share({.bytes = 1 * kMib, .inodes = 1});
  File file = create("file");
  EXPECT_EQ(write(file, 0, 512 * kKib), 0);
  EXPECT_EQ(unlink("file"), 0);
  close(file);
  EXPECT_EQ(inodes_left(), 0u);
  EXPECT_LE(bytes_left(), 512 * kKib);
  forget(file);
  EXPECT_EQ(inodes_left(), 1u);
  EXPECT_EQ(bytes_left(), 1 * kMib);
}

TEST_F(QuotaTest, AGuestThatStartsOverHasLostItsOpenFiles) {
  share({.bytes = 1 * kMib, .inodes = 2});
  File file = create("file");
  create("stays");
  EXPECT_EQ(write(file, 0, 512 * kKib), 0);
  EXPECT_EQ(unlink("file"), 0);
  EXPECT_EQ(inodes_left(), 0u);
  client->init();
  EXPECT_EQ(inodes_left(), 1u);
  EXPECT_EQ(bytes_left(), 1 * kMib);
}

TEST_F(QuotaTest, RenamingOverAFileGivesBackTheOneThatGoes) {
  share({.bytes = 1 * kMib, .inodes = 2});
  for (int i = 0; i < 20; ++i) {
    File fresh = create("new");
    EXPECT_EQ(write(fresh, 0, 400 * kKib), 0);
    close(fresh);
    EXPECT_EQ(rename("new", "file"), 0);
    if (i % 2) {
      EXPECT_EQ(rename("file", "file2", RENAME_NOREPLACE), 0);
      EXPECT_EQ(rename("file2", "file"), 0);
    }
    forget(fresh);
    EXPECT_EQ(inodes_left(), 1u) << i;
  }
  File other = create("other");
  EXPECT_EQ(rename("other", "file", RENAME_EXCHANGE), 0);
  EXPECT_EQ(inodes_left(), 0u);
  EXPECT_LE(bytes_left(), 624 * kKib);
  EXPECT_EQ(link(other.node, "same"), 0);
  EXPECT_EQ(rename("same", "file"), 0) << "two names of one file: nothing happens";
  EXPECT_EQ(inodes_left(), 0u);
}

TEST_F(QuotaTest, LinkingAndUnlinkingGainsNothing) {
  share({.bytes = 1 * kMib, .inodes = 2});
  File file = create("file");
  EXPECT_EQ(write(file, 0, 256 * kKib), 0);
  uint64_t left = bytes_left();
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(link(file.node, "again"), 0);
    EXPECT_EQ(unlink(i % 2 ? "again" : "file"), 0);
    if (i % 2 == 0) {
      EXPECT_EQ(rename("again", "file"), 0);
    }
  }
  EXPECT_EQ(inodes_left(), 1u);
  EXPECT_EQ(bytes_left(), left);
}

TEST_F(QuotaTest, FilesWithoutANameAreCharged) {
  share({.bytes = 1 * kMib, .inodes = 2});
  auto make = [&] { return client->call(FUSE_TMPFILE, 1, bytes_of(fuse_create_in{O_RDWR, 0640, 0, 0}) + text("/")); };
  Answer first = make();
  if (first.error == EOPNOTSUPP) GTEST_SKIP() << "no O_TMPFILE on this file system";
  File file{first.as<fuse_entry_out>().nodeid, first.as<fuse_open_out>(sizeof(fuse_entry_out)).fh};
  EXPECT_EQ(write(file, 0, 512 * kKib), 0);
  Answer second = make();
  EXPECT_EQ(make().error, EDQUOT);
  File gone{second.as<fuse_entry_out>().nodeid, second.as<fuse_open_out>(sizeof(fuse_entry_out)).fh};
  close(gone);
  EXPECT_EQ(inodes_left(), 0u) << "still known";
  forget(gone);
  EXPECT_EQ(inodes_left(), 1u);
  EXPECT_EQ(link(file.node, "named"), 0);
  close(file);
  forget(file);
  EXPECT_EQ(inodes_left(), 1u) << "it has a name now";
  EXPECT_LE(bytes_left(), 512 * kKib);
  EXPECT_EQ(unlink("named"), 0);
  EXPECT_EQ(inodes_left(), 2u);
  EXPECT_EQ(bytes_left(), 1 * kMib);
}

TEST_F(QuotaTest, WhatWasThereBeforeCountsWhenItGoes) {
  share({.bytes = 1 * kMib, .inodes = 1});
  shared->dir.write("old", std::string(2 * kMib, 'o'));
  shared->dir.write("other", std::string(64 * kKib, 'o'));
  EXPECT_EQ(bytes_left(), 1 * kMib) << "what the host writes is not the guest's";
  EXPECT_EQ(unlink("old"), 0);
  EXPECT_EQ(inodes_left(), 2u);
  EXPECT_EQ(bytes_left(), 3 * kMib);
  File file{client->walk("other"), 0};
  file.handle = client->open_handle(file.node, O_RDWR | O_TRUNC);
  EXPECT_EQ(bytes_left(), 3 * kMib + 64 * kKib);
  EXPECT_EQ(write(file, 0, 64 * kKib), 0);
  EXPECT_EQ(bytes_left(), 3 * kMib);
}

TEST_F(QuotaTest, TheHostsOwnChangesAreNotTheGuests) {
  share({.bytes = 1 * kMib, .inodes = 3});
  File file = create("file");
  EXPECT_EQ(write(file, 0, 64 * kKib), 0);
  shared->dir.write("file", std::string(3 * kMib, 'h'));
  EXPECT_EQ(bytes_left(), 1 * kMib - 64 * kKib);
  EXPECT_EQ(unlink("file"), 0);
  close(file);
  forget(file);
  EXPECT_EQ(bytes_left(), 1 * kMib) << "no more than it took";
  File second = create("second");
  EXPECT_EQ(write(second, 0, 64 * kKib), 0);
  shared->dir.write("second", "");
  EXPECT_EQ(unlink("second"), 0);
  close(second);
  forget(second);
  EXPECT_EQ(bytes_left(), 1 * kMib - 64 * kKib) << "the host freed that";
}

TEST_F(QuotaTest, CopiesAreCharged) {
  share({.bytes = 1 * kMib});
  shared->dir.write("source", std::string(4 * kMib, 's'));
  uint64_t source = client->walk("source"), from = client->open_handle(source, O_RDONLY);
  File file = create("copy");
  auto copy = [&](uint64_t offset, uint64_t size) {
    fuse_copy_file_range_in in{};
    in.fh_in = from;
    in.nodeid_out = file.node;
    in.fh_out = file.handle;
    in.off_out = offset;
    in.len = size;
    return client->call(FUSE_COPY_FILE_RANGE, source, bytes_of(in)).error;
  };
  EXPECT_EQ(copy(0, 4 * kMib), EDQUOT);
  EXPECT_EQ(copy(0, 512 * kKib), 0);
  EXPECT_LE(bytes_left(), 512 * kKib);
  EXPECT_EQ(copy(512 * kKib, 1 * kMib), EDQUOT);
}

TEST_F(QuotaTest, AttributesAreRefusedWhereNoSpaceIsLeft) {
  share({.bytes = 4096});
  shared->dir.write("file", "");
  uint64_t node = client->walk("file");
  struct {
    uint32_t size, flags, more_flags, padding;
  } head{5000, 0, 0, 0};
  Bytes body = bytes_of(head) + text("user.large") + Bytes(5000);
  EXPECT_EQ(client->call(FUSE_SETXATTR, node, body).error, EDQUOT);
}

TEST_F(QuotaTest, AppendedBytesGoWhereTheFileEnds) {
  share({.bytes = 256 * kKib});
  File file = create("file");
  EXPECT_EQ(write(file, 0, 192 * kKib), 0);
  // The offset it names is within the file; the bytes are not.
  EXPECT_EQ(client->write({file.node, file.handle, 0}, std::string(128 * kKib, 'x'), O_APPEND).error, EDQUOT);
  EXPECT_EQ(client->write({file.node, file.handle, 0}, std::string(32 * kKib, 'x'), O_APPEND).error, 0);
}

TEST_F(QuotaTest, NoneAtAllMeansNothingCanBeAdded) {
  share({.bytes = 0, .inodes = 0});
  shared->dir.write("file", std::string(8192, 'x'));
  EXPECT_EQ(mkdir("dir"), EDQUOT);
  File file{client->walk("file"), 0};
  file.handle = client->open_handle(file.node, O_RDWR);
  EXPECT_EQ(write(file, 0, 8192), 0);
  EXPECT_EQ(write(file, 8192, 1), EDQUOT);
}

TEST_F(QuotaTest, TheFileSystemShowsTheSmallerOfBoth) {
  share({.bytes = 1 * kMib, .inodes = 10});
  EXPECT_EQ(statfs().blocks * statfs().frsize, 1 * kMib);
  EXPECT_EQ(statfs().files, 10u);
  share({.bytes = INT64_MAX, .inodes = INT64_MAX});
  struct statvfs host{};
  ASSERT_EQ(::statvfs(shared->dir.path().c_str(), &host), 0);
  EXPECT_EQ(statfs().blocks, host.f_blocks);
  EXPECT_EQ(statfs().files, host.f_files != 0 ? host.f_files : static_cast<uint64_t>(INT64_MAX));
}

TEST(QuotaOf, MoreFilesThanItKeepsTrackOfGivesNothingBackForThem) {
  TempDir dir;
  Quota quota({.bytes = 10 * kMib, .inodes = 10}, 1);
  auto make = [&](const char* name) {
    Fd fd = open_file(dir.path(name), O_RDWR | O_CREAT, 0600).value();
    quota.made_file(fd.get());
    Quota::Change change(quota, fd.get());
    EXPECT_EQ(::ftruncate(fd.get(), 4096), 0);
    EXPECT_EQ(::pwrite(fd.get(), "x", 1, 0), 1);
    return fd;
  };
  auto inodes_left = [&] {
    fuse_kstatfs stat{};
    quota.narrow(stat);
    return stat.ffree;
  };
  Fd first = make("first"), second = make("second");
  EXPECT_EQ(inodes_left(), 8u);
  ASSERT_EQ(::unlink(dir.path("second").c_str()), 0);
  quota.removed(second.get(), Quota::Known::kNo);
  EXPECT_EQ(inodes_left(), 8u) << "it may be anybody's";
  ASSERT_EQ(::unlink(dir.path("first").c_str()), 0);
  quota.removed(first.get(), Quota::Known::kNo);
  EXPECT_EQ(inodes_left(), 9u);
}

}  // namespace
}  // namespace cloche::fs
