// What a share's options change: caches, ids, device nodes, ACLs, the umask; and the requests that came with them.
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "devices/fs/host.h"
#include "devices/fs/testing/fuse_client.h"

namespace cloche::fs {
namespace {

Answer mkdir(FuseClient& client, std::string_view name, uint32_t mode, uint32_t umask = 0) {
  return client.call(FUSE_MKDIR, 1, bytes_of(fuse_mkdir_in{mode, umask}) + text(name));
}
Answer mknod(FuseClient& client, std::string_view name, uint32_t mode, uint32_t device = 0) {
  return client.call(FUSE_MKNOD, 1, bytes_of(fuse_mknod_in{mode, device, 0, 0}) + text(name));
}
uint32_t flags_of(Options options) { return SharedDir(std::move(options)).client.init().flags; }
struct stat status_of(const std::string& path) {
  struct stat status{};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status;
}

TEST(CacheNone, NothingIsKept) {
  SharedDir shared({.tag = "share", .cache = Cache::kNone});
  shared.dir.write("file", "");
  auto entry = shared.client.lookup(1, "file").as<fuse_entry_out>();
  EXPECT_EQ(entry.entry_valid + entry.entry_valid_nsec + entry.attr_valid + entry.attr_valid_nsec, 0u);
  EXPECT_EQ(shared.client.lookup(1, "none").error, ENOENT) << "not a name to remember";
  EXPECT_TRUE(flags_of({.tag = "share", .cache = Cache::kNone}) & FUSE_AUTO_INVAL_DATA);
}

TEST(CacheAuto, NamesAndAttributesAreKeptForTheirTimes) {
  using std::chrono::milliseconds;
  SharedDir shared({.tag = "share", .entry_timeout = milliseconds(2500), .attribute_timeout = milliseconds(50)});
  shared.dir.write("file", "");
  auto entry = shared.client.lookup(1, "file").as<fuse_entry_out>();
  EXPECT_EQ(entry.entry_valid, 2u);
  EXPECT_EQ(entry.entry_valid_nsec, 500'000'000u);
  EXPECT_EQ(entry.attr_valid, 0u);
  EXPECT_EQ(entry.attr_valid_nsec, 50'000'000u);
  auto attributes = shared.client.call(FUSE_GETATTR, entry.nodeid, bytes_of(fuse_getattr_in{})).as<fuse_attr_out>();
  EXPECT_EQ(attributes.attr_valid_nsec, 50'000'000u);
  EXPECT_EQ(shared.client.lookup(1, "none").as<fuse_entry_out>().entry_valid, 2u) << "that it is not there, as well";
}

TEST(CacheAlways, TheGuestMayKeepWhatItWrites) {
  uint32_t flags = flags_of({.tag = "share", .cache = Cache::kAlways});
  EXPECT_TRUE(flags & FUSE_WRITEBACK_CACHE);
  EXPECT_FALSE(flags & FUSE_AUTO_INVAL_DATA);
  EXPECT_FALSE(flags_of({.tag = "share", .read_only = true, .cache = Cache::kAlways}) & FUSE_WRITEBACK_CACHE);
  EXPECT_FALSE(flags_of({.tag = "share"}) & FUSE_WRITEBACK_CACHE);
  SharedDir shared({.tag = "share", .cache = Cache::kAlways});
  shared.dir.write("file", "");
  EXPECT_GT(shared.client.lookup(1, "file").as<fuse_entry_out>().entry_valid, 86400u);
}

TEST(CacheAlways, AFileOpenForWritingCanBeReadForItsPages) {
  SharedDir shared({.tag = "share", .cache = Cache::kAlways});
  shared.dir.write("file", "data");
  uint64_t node = shared.client.walk("file");
  uint64_t handle = shared.client.open_handle(node, O_WRONLY);
  EXPECT_EQ(string_of(shared.client.read({node, handle, 0}, 10).body), "data");
}

TEST(Ids, AreShownAndSetThroughTheMap) {
  if (!is_root()) GTEST_SKIP() << "needs root to give files away";
  IdMap map({{.guest = 0, .host = 1000, .count = 10}}, IdMap::Others::kUnknown);
  SharedDir shared({.tag = "share", .users = map, .groups = map});
  ASSERT_EQ(::chmod(shared.dir.path().c_str(), 0777), 0);
  EXPECT_EQ(mkdir(shared.client, "dir", 0755).as<fuse_entry_out>().attr.uid, 0u);
  EXPECT_EQ(status_of(shared.dir.path("dir")).st_uid, 1000u);
  EXPECT_EQ(status_of(shared.dir.path("dir")).st_gid, 1000u);
  shared.dir.write("roots", "");
  EXPECT_EQ(shared.client.lookup(1, "roots").as<fuse_entry_out>().attr.uid, IdMap::kNobody);
  fuse_setattr_in in{};
  in.valid = FATTR_UID | FATTR_GID;
  in.uid = 3;
  in.gid = 4;
  EXPECT_EQ(shared.client.setattr(shared.client.walk("dir"), in).as<fuse_attr_out>().attr.gid, 4u);
  EXPECT_EQ(status_of(shared.dir.path("dir")).st_uid, 1003u);
  in.uid = 10;
  EXPECT_EQ(shared.client.setattr(shared.client.walk("dir"), in).error, EOVERFLOW);
  shared.client.uid = 10;
  EXPECT_EQ(mkdir(shared.client, "other", 0755).error, EOVERFLOW);
  EXPECT_FALSE(std::filesystem::exists(shared.dir.path("other")));
}

TEST(Devices, AreMadeWhereAllowed) {
  if (!is_root()) GTEST_SKIP() << "needs root";
  SharedDir shared({.tag = "share", .device_nodes = DeviceNodes::kAllowed});
  constexpr uint32_t kPacked = 0x12 | 0x345 << 8 | 0x67 << 20;  // Major 0x345, minor 0x6712, as Linux packs them.
  Answer made = mknod(shared.client, "device", S_IFBLK | 0600, kPacked);
  ASSERT_EQ(made.error, 0);
  EXPECT_EQ(made.as<fuse_entry_out>().attr.rdev, kPacked);
  struct stat status = status_of(shared.dir.path("device"));
  EXPECT_EQ(status.st_mode, S_IFBLK | 0600u);
  EXPECT_EQ(major(status.st_rdev), 0x345u);
  EXPECT_EQ(minor(status.st_rdev), 0x6712u);
  EXPECT_EQ(shared.client.open(made.as<fuse_entry_out>().nodeid, O_RDONLY).error, EACCES) << "made, never opened";
}

TEST(Devices, AWhiteoutIsNone) {
  SharedDir shared;
  EXPECT_EQ(mknod(shared.client, "gone", S_IFCHR, 0).error, 0);
  EXPECT_EQ(mknod(shared.client, "null", S_IFCHR, 1 << 8 | 3).error, EPERM);
  shared.dir.write("file", "data");
  Bytes body = bytes_of(fuse_rename2_in{1, RENAME_WHITEOUT, 0}) + text("file") + text("moved");
  Answer renamed = shared.client.call(FUSE_RENAME2, 1, body);
  if (renamed.error == EINVAL) GTEST_SKIP() << "no whiteouts on this file system";
  ASSERT_EQ(renamed.error, 0);
  EXPECT_EQ(shared.dir.read("moved"), "data");
  EXPECT_TRUE(S_ISCHR(status_of(shared.dir.path("file")).st_mode));
}

TEST(Umask, CountsUnlessADefaultAclDoes) {
  SharedDir shared;
  EXPECT_EQ(mkdir(shared.client, "plain", 0777, 027).as<fuse_entry_out>().attr.mode, S_IFDIR | 0750u);
  // Version 2; user rwx, group rwx, others r-x.
  struct {
    uint32_t version = 2;
    struct {
      uint16_t tag, permissions;
      uint32_t id = ~0u;
    } entries[3] = {{1, 7}, {4, 7}, {32, 5}};
  } acl;
  if (::setxattr(shared.dir.path().c_str(), "system.posix_acl_default", &acl, sizeof acl, 0) < 0) {
    GTEST_SKIP() << "no ACLs on this file system";
  }
  EXPECT_EQ(mkdir(shared.client, "by-acl", 0777, 077).as<fuse_entry_out>().attr.mode, S_IFDIR | 0775u);
  Answer made = shared.client.call(FUSE_CREATE, 1, bytes_of(fuse_create_in{O_RDWR, 0666, 077, 0}) + text("file"));
  EXPECT_EQ(made.as<fuse_entry_out>().attr.mode, S_IFREG | 0664u);
}

TEST(Umask, IsAppliedByAGuestThatDoesNotSendIt) {
  SharedDir shared;
  shared.client.init(~static_cast<uint32_t>(FUSE_DONT_MASK));
  EXPECT_EQ(mkdir(shared.client, "dir", 0755, 077).as<fuse_entry_out>().attr.mode, S_IFDIR | 0755u);
}

TEST(SetId, IsNotGivenToWhoDidNotAskForIt) {
  if (!is_root()) GTEST_SKIP() << "needs root to be somebody else's server";
  Creator creator(Creator::Identity::kOwn, {.uid = 1234, .gid = 1234, .umask = 0});
  EXPECT_EQ(creator.safe_mode(06755), 0755u) << "the file would be root's";
  Creator own(Creator::Identity::kOwn, {.uid = 0, .gid = 0, .umask = 0});
  EXPECT_EQ(own.safe_mode(06755), 06755u);
  Creator other(Creator::Identity::kRequested, {.uid = 1234, .gid = 1234, .umask = 0});
  EXPECT_EQ(other.safe_mode(06755), 06755u) << "it is 1234's own";
}

TEST(Tmpfile, HasNoNameUntilItIsLinked) {
  SharedDir shared;
  Answer made = shared.client.call(FUSE_TMPFILE, 1, bytes_of(fuse_create_in{O_RDWR, 0640, 0, 0}) + text("/"));
  if (made.error == EOPNOTSUPP) GTEST_SKIP() << "no O_TMPFILE on this file system";
  ASSERT_EQ(made.error, 0);
  uint64_t node = made.as<fuse_entry_out>().nodeid;
  uint64_t handle = made.as<fuse_open_out>(sizeof(fuse_entry_out)).fh;
  EXPECT_EQ(made.as<fuse_entry_out>().attr.nlink, 0u);
  EXPECT_EQ(shared.client.write({node, handle, 0}, "data").error, 0);
  EXPECT_TRUE(std::filesystem::is_empty(shared.dir.path()));
  Answer linked = shared.client.call(FUSE_LINK, 1, bytes_of(fuse_link_in{node}) + text("named"));
  EXPECT_EQ(linked.error, 0) << std::strerror(linked.error);
  EXPECT_EQ(shared.dir.read("named"), "data");
  EXPECT_EQ(shared.client.call(FUSE_TMPFILE, 1, bytes_of(fuse_create_in{O_RDONLY, 0640, 0, 0})).error, EINVAL);
}

TEST(Acls, PassOnlyWhenTheGuestEnforcesThem) {
  SharedDir shared({.tag = "share", .acls = Acls::kEnforced});
  EXPECT_TRUE(shared.client.init().flags & FUSE_POSIX_ACL);
  uint64_t node = mkdir(shared.client, "dir", 0755).as<fuse_entry_out>().nodeid;
  Answer none =
      shared.client.call(FUSE_GETXATTR, node, bytes_of(fuse_getxattr_in{100, 0}) + text("system.posix_acl_default"));
  if (none.error == EOPNOTSUPP) GTEST_SKIP() << "no ACLs on this file system";
  EXPECT_EQ(none.error, ENODATA);
  EXPECT_FALSE(flags_of({.tag = "share"}) & FUSE_POSIX_ACL);
}

TEST(Ioctl, AnswersWhatAFileIsAndRefusesToChangeIt) {
  SharedDir shared;
  shared.dir.write("file", "");
  uint64_t node = shared.client.walk("file");
  auto ioctl = [&](uint32_t command, uint32_t out_size, const Bytes& data = {}) {
    fuse_ioctl_in in{};
    in.cmd = command;
    in.in_size = static_cast<uint32_t>(data.size());
    in.out_size = out_size;
    return shared.client.call(FUSE_IOCTL, node, bytes_of(in) + data);
  };
  Answer flags = ioctl(FS_IOC_GETFLAGS, 4);
  EXPECT_TRUE(flags.error == ENOTTY || flags.body.size() == sizeof(fuse_ioctl_out) + 4) << flags.error;
  EXPECT_NE(ioctl(FS_IOC_GETFLAGS, 3).error, 0);
  EXPECT_EQ(ioctl(FS_IOC_SETFLAGS, 0, Bytes(4)).error, EOPNOTSUPP);
  EXPECT_EQ(ioctl(FS_IOC_FSSETXATTR, 0, Bytes(sizeof(fsxattr))).error, EOPNOTSUPP);
  EXPECT_EQ(ioctl(0x5401, 64).error, ENOTTY);
}

// libkrun's init: _IO('v', 2) on the root, with the code as its argument.
TEST(Ioctl, TakesAnExitCodeFromTheRootWhereSomebodyWantsIt) {
  constexpr uint32_t kExitCode = 0x7602;
  std::vector<uint32_t> codes;
  SharedDir shared({.tag = "share", .take_exit_code = [&](uint32_t code) { codes.push_back(code); }});
  shared.dir.write("file", "");
  auto tell = [](SharedDir& dir, uint64_t node, uint64_t code) {
    fuse_ioctl_in in{};
    in.cmd = kExitCode;
    in.arg = code;
    return dir.client.call(FUSE_IOCTL, node, bytes_of(in)).error;
  };
  EXPECT_EQ(tell(shared, FUSE_ROOT_ID, 42), 0);
  EXPECT_EQ(tell(shared, shared.client.walk("file"), 43), ENOTTY);
  EXPECT_EQ(codes, std::vector<uint32_t>{42});
  SharedDir other;
  EXPECT_EQ(tell(other, FUSE_ROOT_ID, 42), ENOTTY);
}

}  // namespace
}  // namespace cloche::fs
