// GETATTR, SETATTR, READLINK, STATFS and extended attributes.
#include <sys/stat.h>
#include <sys/xattr.h>

#include "devices/fs/testing/fuse_client.h"

namespace cloche::fs {
namespace {

TEST(Setattr, ModeSizeAndTimes) {
  SharedDir shared;
  shared.dir.write("file", "0123456789");
  uint64_t node = shared.client.walk("file");
  fuse_setattr_in in{};
  in.valid = FATTR_MODE | FATTR_SIZE | FATTR_ATIME | FATTR_MTIME;
  in.mode = S_IFREG | 0640;
  in.size = 4;
  in.atime = 1'000'000'001;
  in.atimensec = 999'999'999;
  in.mtime = static_cast<uint64_t>(-5);  // Before 1970.
  in.mtimensec = 7;
  fuse_attr attr = shared.client.setattr(node, in).as<fuse_attr_out>().attr;
  EXPECT_EQ(attr.mode, S_IFREG | 0640u);
  EXPECT_EQ(attr.size, 4u);
  EXPECT_EQ(attr.atime, 1'000'000'001u);
  EXPECT_EQ(attr.atimensec, 999'999'999u);
  EXPECT_EQ(attr.mtime, static_cast<uint64_t>(-5));
  EXPECT_EQ(attr.mtimensec, 7u);
  EXPECT_EQ(shared.dir.read("file"), "0123");
}

TEST(Setattr, TimesNow) {
  SharedDir shared;
  shared.dir.write("file", "");
  fuse_setattr_in in{};
  in.valid = FATTR_ATIME | FATTR_MTIME;
  uint64_t node = shared.client.walk("file");
  EXPECT_EQ(shared.client.setattr(node, in).as<fuse_attr_out>().attr.mtime, 0u);
  in.valid = FATTR_MTIME | FATTR_MTIME_NOW;
  fuse_attr attr = shared.client.setattr(node, in).as<fuse_attr_out>().attr;
  EXPECT_GT(attr.mtime, 1'600'000'000u);
  EXPECT_EQ(attr.atime, 0u);
}

TEST(Setattr, NanosecondsThatMeanSomethingElseAreRefused) {
  SharedDir shared;
  shared.dir.write("file", "");
  for (uint32_t bad : {uint32_t{UTIME_NOW}, uint32_t{UTIME_OMIT}, 1'000'000'000u, 0xffffffffu}) {
    fuse_setattr_in in{};
    in.valid = FATTR_MTIME;
    in.mtimensec = bad;
    EXPECT_EQ(shared.client.setattr(shared.client.walk("file"), in).error, EINVAL);
  }
}

TEST(Setattr, SizeThroughAHandleOutlivesTheMode) {
  SharedDir shared;
  auto made = shared.client.create(1, "file", O_RDWR, 0400);
  fuse_setattr_in in{};
  in.valid = FATTR_SIZE | FATTR_FH;
  in.fh = made.as<fuse_open_out>(sizeof(fuse_entry_out)).fh;
  in.size = 100;
  uint64_t node = made.as<fuse_entry_out>().nodeid;
  EXPECT_EQ(shared.client.setattr(node, in).as<fuse_attr_out>().attr.size, 100u);
  in.fh = 77;
  EXPECT_EQ(shared.client.setattr(node, in).error, EBADF);
  in.fh = shared.client.open_directory(1);
  EXPECT_EQ(shared.client.setattr(node, in).error, EBADF);
}

TEST(Setattr, SizeOfWhatHasNone) {
  SharedDir shared;
  std::filesystem::create_symlink("x", shared.dir.path("link"));
  ASSERT_EQ(::mkfifo(shared.dir.path("fifo").c_str(), 0600), 0);
  fuse_setattr_in in{};
  in.valid = FATTR_SIZE;
  EXPECT_EQ(shared.client.setattr(1, in).error, EISDIR);
  EXPECT_EQ(shared.client.setattr(shared.client.walk("link"), in).error, EINVAL);
  EXPECT_EQ(shared.client.setattr(shared.client.walk("fifo"), in).error, EINVAL);
  shared.dir.write("file", "");
  in.size = ~0ull;
  EXPECT_EQ(shared.client.setattr(shared.client.walk("file"), in).error, EFBIG);
}

TEST(Setattr, ModeOfAFifoNeedsNoOpenAndASymlinkHasNone) {
  SharedDir shared;
  ASSERT_EQ(::mkfifo(shared.dir.path("fifo").c_str(), 0600), 0);
  shared.dir.write("target", "");
  std::filesystem::create_symlink("target", shared.dir.path("link"));
  fuse_setattr_in in{};
  in.valid = FATTR_MODE;
  in.mode = 0622;
  EXPECT_EQ(shared.client.setattr(shared.client.walk("fifo"), in).as<fuse_attr_out>().attr.mode, S_IFIFO | 0622u);
  uint32_t before = shared.client.attributes(shared.client.walk("target")).mode;
  EXPECT_EQ(shared.client.setattr(shared.client.walk("link"), in).error, EOPNOTSUPP);
  EXPECT_EQ(shared.client.attributes(shared.client.walk("target")).mode, before);
}

TEST(Setattr, TimesOfASymlinkAreItsOwn) {
  SharedDir shared;
  shared.dir.write("target", "");
  std::filesystem::create_symlink("target", shared.dir.path("link"));
  fuse_setattr_in in{};
  in.valid = FATTR_MTIME;
  in.mtime = 1234;
  EXPECT_EQ(shared.client.setattr(shared.client.walk("link"), in).as<fuse_attr_out>().attr.mtime, 1234u);
  EXPECT_NE(shared.client.attributes(shared.client.walk("target")).mtime, 1234u);
}

TEST(Setattr, OwnerAndModeTogether) {
  if (!is_root()) GTEST_SKIP() << "needs root";
  SharedDir shared;
  shared.dir.write("file", "");
  std::filesystem::create_symlink("file", shared.dir.path("link"));
  fuse_setattr_in in{};
  in.valid = FATTR_UID | FATTR_GID | FATTR_MODE;
  in.uid = 1234;
  in.gid = 4321;
  in.mode = 04755;
  fuse_attr attr = shared.client.setattr(shared.client.walk("file"), in).as<fuse_attr_out>().attr;
  EXPECT_EQ(attr.uid, 1234u);
  EXPECT_EQ(attr.gid, 4321u);
  EXPECT_EQ(attr.mode & 07777, 04755u);
  in.valid = FATTR_UID;
  in.uid = 99;
  attr = shared.client.setattr(shared.client.walk("link"), in).as<fuse_attr_out>().attr;
  EXPECT_EQ(attr.uid, 99u);
  attr = shared.client.setattr(shared.client.walk("file"), in).as<fuse_attr_out>().attr;
  EXPECT_EQ(attr.gid, 4321u);
  EXPECT_EQ(attr.mode & 07777, 0755u) << "changing the owner clears the set-user-id bit";
}

TEST(Readlink, GivesTheTargetAsItIs) {
  SharedDir shared;
  std::filesystem::create_symlink("/../../etc/passwd", shared.dir.path("link"));
  uint64_t node = shared.client.walk("link");
  EXPECT_EQ(string_of(shared.client.call(FUSE_READLINK, node).body), "/../../etc/passwd");
  EXPECT_EQ(shared.client.call(FUSE_READLINK, node, {}, 16 + 5).error, ENAMETOOLONG);
  EXPECT_EQ(shared.client.call(FUSE_READLINK, 1).error, EINVAL);
}

TEST(Statfs, IsTheHosts) {
  SharedDir shared;
  auto out = shared.client.call(FUSE_STATFS, 1).as<fuse_statfs_out>();
  EXPECT_GT(out.st.blocks, 0u);
  EXPECT_GT(out.st.bsize, 0u);
  EXPECT_EQ(shared.client.call(FUSE_STATFS, 99).error, ENOENT);
}

class Xattr : public testing::Test {
 protected:
  void SetUp() override {
    shared.dir.write("file", "");
    node = shared.client.walk("file");
    if (set("user.probe", "").error == EOPNOTSUPP) GTEST_SKIP() << "no user attributes on this file system";
    remove("user.probe");
  }
  Answer set(std::string_view name, std::string_view value, uint32_t flags = 0) {
    uint32_t head[4] = {static_cast<uint32_t>(value.size()), flags, 0, 0};
    return shared.client.call(FUSE_SETXATTR, node, bytes_of(head) + text(name) + raw(value));
  }
  Answer get(std::string_view name, uint32_t size) {
    return shared.client.call(FUSE_GETXATTR, node, bytes_of(fuse_getxattr_in{size, 0}) + text(name));
  }
  Answer list(uint32_t size) { return shared.client.call(FUSE_LISTXATTR, node, bytes_of(fuse_getxattr_in{size, 0})); }
  Answer remove(std::string_view name) { return shared.client.call(FUSE_REMOVEXATTR, node, text(name)); }

  SharedDir shared;
  uint64_t node = 0;
};

TEST_F(Xattr, SetGetListRemove) {
  EXPECT_EQ(set("user.one", "value").error, 0);
  EXPECT_EQ(set("user.two", "").error, 0);
  EXPECT_EQ(get("user.one", 0).as<fuse_getxattr_out>().size, 5u);
  EXPECT_EQ(string_of(get("user.one", 100).body), "value");
  EXPECT_EQ(get("user.one", 4).error, ERANGE);
  EXPECT_EQ(get("user.none", 100).error, ENODATA);
  EXPECT_EQ(list(0).as<fuse_getxattr_out>().size, 18u);
  EXPECT_EQ(list(100).body.size(), 18u);
  EXPECT_EQ(list(17).error, ERANGE);
  EXPECT_EQ(set("user.one", "x", XATTR_CREATE).error, EEXIST);
  EXPECT_EQ(set("user.three", "x", XATTR_REPLACE).error, ENODATA);
  EXPECT_EQ(set("user.three", "x", 4).error, EINVAL);
  EXPECT_EQ(remove("user.one").error, 0);
  EXPECT_EQ(remove("user.one").error, ENODATA);
}

TEST_F(Xattr, NamespacesThatSteerTheHostAreClosed) {
  EXPECT_EQ(set("trusted.overlay.opaque", "y").error, EPERM);
  EXPECT_EQ(set("security.selinux", "x").error, EPERM);
  EXPECT_EQ(set("system.posix_acl_access", "x").error, EOPNOTSUPP);
  EXPECT_EQ(set("user.", "x").error, EPERM);
  EXPECT_EQ(set("", "x").error, ERANGE);
  EXPECT_EQ(get("system.posix_acl_access", 100).error, EOPNOTSUPP);
  EXPECT_EQ(get("security.selinux", 100).error, ENODATA);
  EXPECT_EQ(get("security.capability", 100).error, ENODATA);
  if (is_root() && ::setxattr(shared.dir.path("file").c_str(), "trusted.hidden", "x", 1, 0) == 0) {
    EXPECT_EQ(list(0).as<fuse_getxattr_out>().size, 0u);
    EXPECT_EQ(get("trusted.hidden", 100).error, ENODATA);
    EXPECT_EQ(remove("trusted.hidden").error, EPERM);
  }
}

TEST_F(Xattr, SizesMustMatch) {
  uint32_t head[4] = {6, 0, 0, 0};
  Bytes body = bytes_of(head) + text("user.x") + raw("value");
  EXPECT_EQ(shared.client.call(FUSE_SETXATTR, node, body).error, EINVAL);
  EXPECT_EQ(shared.client.call(FUSE_SETXATTR, node, bytes_of(head) + raw("user.x")).error, EINVAL);
  EXPECT_EQ(set("user.x", std::string(65536, 'x')).error != 0, true) << "larger than ext4 takes, answered all the same";
  EXPECT_EQ(set("user.x", std::string(70000, 'x')).error, EINVAL);
  EXPECT_EQ(shared.client.call(FUSE_GETXATTR, node, bytes_of(fuse_getxattr_in{9, 0}) + raw("user.x")).error, EINVAL);
}

TEST_F(Xattr, SymlinksAndFifosHaveNone) {
  std::filesystem::create_symlink("file", shared.dir.path("link"));
  ASSERT_EQ(::mkfifo(shared.dir.path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(set("user.one", "value").error, 0);
  for (const char* name : {"link", "fifo"}) {
    node = shared.client.walk(name);
    EXPECT_EQ(get("user.one", 100).error, ENODATA);
    EXPECT_EQ(set("user.one", "x").error, EOPNOTSUPP);
    EXPECT_EQ(list(0).as<fuse_getxattr_out>().size, 0u);
  }
}

}  // namespace
}  // namespace cloche::fs
