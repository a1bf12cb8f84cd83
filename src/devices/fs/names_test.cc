// CREATE, MKNOD, MKDIR, SYMLINK, LINK, UNLINK, RMDIR, RENAME: names that come and go, and whose the new files are.
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "devices/fs/testing/fuse_client.h"

namespace cloche::fs {
namespace {

Answer mkdir(FuseClient& client, std::string_view name, uint32_t mode = 0755) {
  return client.call(FUSE_MKDIR, 1, bytes_of(fuse_mkdir_in{mode, 0}) + text(name));
}
Answer mknod(FuseClient& client, std::string_view name, uint32_t mode, uint32_t device = 0) {
  return client.call(FUSE_MKNOD, 1, bytes_of(fuse_mknod_in{mode, device, 0, 0}) + text(name));
}
struct Place {
  uint64_t parent;
  std::string_view name;
};
Answer rename(FuseClient& client, Place from, Place to, uint32_t flags = 0) {
  Bytes body = bytes_of(fuse_rename2_in{to.parent, flags, 0}) + text(from.name) + text(to.name);
  return client.call(FUSE_RENAME2, from.parent, body);
}

TEST(Create, MakesAndOpensAFile) {
  SharedDir shared;
  Answer answer = shared.client.create(1, "new", O_RDWR | O_EXCL, 0640);
  ASSERT_EQ(answer.error, 0);
  auto entry = answer.as<fuse_entry_out>();
  EXPECT_EQ(entry.attr.mode, S_IFREG | 0640u);
  uint64_t handle = answer.as<fuse_open_out>(sizeof entry).fh;
  EXPECT_EQ(shared.client.write({entry.nodeid, handle, 0}, "hello").as<fuse_write_out>().size, 5u);
  EXPECT_EQ(shared.dir.read("new"), "hello");
  EXPECT_EQ(shared.client.walk("new"), entry.nodeid);
  EXPECT_EQ(shared.client.create(1, "new", O_RDWR | O_EXCL, 0640).error, EEXIST);
}

TEST(Create, OpensWhatIsThereAlready) {
  SharedDir shared;
  shared.dir.write("old", "data");
  Answer answer = shared.client.create(1, "old", O_RDWR, 0640);
  EXPECT_EQ(answer.as<fuse_entry_out>().attr.size, 4u);
  EXPECT_EQ(answer.as<fuse_entry_out>().nodeid, shared.client.walk("old"));
  EXPECT_EQ(shared.client.create(1, "old", O_RDWR | O_TRUNC, 0640).as<fuse_entry_out>().attr.size, 0u);
}

TEST(Create, NeverThroughWhatIsNoRegularFile) {
  SharedDir shared;
  TempDir outside;
  std::filesystem::create_symlink(outside.path("made"), shared.dir.path("link"));
  std::filesystem::create_directory(shared.dir.path("sub"));
  ASSERT_EQ(::mkfifo(shared.dir.path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(shared.client.create(1, "link", O_RDWR, 0640).error, ELOOP);
  EXPECT_FALSE(std::filesystem::exists(outside.path("made")));
  EXPECT_EQ(shared.client.create(1, "sub", O_RDWR, 0640).error, EISDIR);
  EXPECT_EQ(shared.client.create(1, "fifo", O_RDWR, 0640).error, EACCES);
}

TEST(Create, ModeIsTheGuestsWhateverOurUmask) {
  ::umask(077);
  SharedDir shared;
  EXPECT_EQ(shared.client.create(1, "file", O_RDWR, 0666).as<fuse_entry_out>().attr.mode & 07777, 0666u);
  EXPECT_EQ(mkdir(shared.client, "dir", 0777).as<fuse_entry_out>().attr.mode & 07777, 0777u);
  EXPECT_EQ(mknod(shared.client, "fifo", S_IFIFO | 0622).as<fuse_entry_out>().attr.mode, S_IFIFO | 0622u);
}

TEST(Create, AsRootNewFilesBelongToTheGuestsUser) {
  if (!is_root()) GTEST_SKIP() << "needs root";
  SharedDir shared;
  shared.client.uid = 1234;
  shared.client.gid = 4321;
  // The directory is root's and closed to others: the guest's kernel decides who may create, by groups we do not know
  // of.
  ASSERT_EQ(::chmod(shared.dir.path().c_str(), 0700), 0);
  auto check = [&](const char* what, const Answer& answer) {
    EXPECT_EQ(answer.error, 0) << what << std::strerror(answer.error);
    EXPECT_EQ(answer.as<fuse_entry_out>().attr.uid, 1234u) << what;
    EXPECT_EQ(answer.as<fuse_entry_out>().attr.gid, 4321u) << what;
  };
  check("file", shared.client.create(1, "file", O_RDWR, 0444));
  check("dir", mkdir(shared.client, "dir"));
  check("fifo", mknod(shared.client, "fifo", S_IFIFO | 0600));
  check("link", shared.client.call(FUSE_SYMLINK, 1, text("link") + text("target")));
  EXPECT_EQ(::setfsuid(static_cast<uid_t>(-1)), 0) << "the thread is root again";
  EXPECT_EQ(::setfsgid(static_cast<gid_t>(-1)), 0);
  ASSERT_EQ(::chown(shared.dir.path().c_str(), 0, 77), 0);
  ASSERT_EQ(::chmod(shared.dir.path().c_str(), 02755), 0);
  fuse_attr inherited = shared.client.create(1, "inherits", O_RDWR, 0644).as<fuse_entry_out>().attr;
  EXPECT_EQ(inherited.uid, 1234u);
  EXPECT_EQ(inherited.gid, 77u) << "a set-group-id directory passes its group on";
}

TEST(Create, AsAnotherUserLeavesTheParentsDeathSignal) {
  if (!is_root()) GTEST_SKIP() << "needs root";
  ASSERT_EQ(::prctl(PR_SET_PDEATHSIG, SIGUSR1), 0);
  SharedDir shared;
  shared.client.uid = 1234;
  EXPECT_EQ(shared.client.create(1, "file", O_RDWR, 0444).error, 0);
  int signal = 0;
  ASSERT_EQ(::prctl(PR_GET_PDEATHSIG, &signal), 0);
  ::prctl(PR_SET_PDEATHSIG, 0);
  EXPECT_EQ(signal, SIGUSR1);
}

TEST(Create, WithoutRootNewFilesAreOurs) {
  if (!is_root()) GTEST_SKIP() << "needs root to become somebody else";
  TempDir dir;
  ASSERT_EQ(::chown(dir.path().c_str(), 1000, 1000), 0);
  ::setfsuid(1000);
  {
    Share share(Node::host(path_fd(dir.path())));
    share.client.uid = 1234;
    Answer answer = share.client.create(1, "file", O_RDWR, 0644);
    EXPECT_EQ(answer.error, 0);
    EXPECT_EQ(answer.as<fuse_entry_out>().attr.uid, 1000u);
    fuse_setattr_in in{};
    in.valid = FATTR_UID;
    in.uid = 0;
    EXPECT_EQ(share.client.setattr(answer.as<fuse_entry_out>().nodeid, in).error, EPERM);
  }
  ::setfsuid(0);
}

TEST(Mknod, MakesFilesFifosAndSocketsButNoDevices) {
  SharedDir shared;
  EXPECT_TRUE(S_ISREG(mknod(shared.client, "file", S_IFREG | 0600).as<fuse_entry_out>().attr.mode));
  EXPECT_TRUE(S_ISFIFO(mknod(shared.client, "fifo", S_IFIFO | 0600).as<fuse_entry_out>().attr.mode));
  EXPECT_TRUE(S_ISSOCK(mknod(shared.client, "socket", S_IFSOCK | 0600).as<fuse_entry_out>().attr.mode));
  auto null = static_cast<uint32_t>(::makedev(1, 3));
  EXPECT_EQ(mknod(shared.client, "char", S_IFCHR | 0600, null).error, EPERM);
  EXPECT_EQ(mknod(shared.client, "block", S_IFBLK | 0600, null).error, EPERM);
  EXPECT_EQ(mknod(shared.client, "odd", S_IFDIR | 0600).error, EINVAL);
  EXPECT_EQ(mknod(shared.client, "file", S_IFREG | 0600).error, EEXIST);
  EXPECT_FALSE(std::filesystem::exists(shared.dir.path("char")));
}

TEST(Symlink, KeepsItsTarget) {
  SharedDir shared;
  Answer answer = shared.client.call(FUSE_SYMLINK, 1, text("link") + text("/../x"));
  EXPECT_TRUE(S_ISLNK(answer.as<fuse_entry_out>().attr.mode));
  EXPECT_EQ(std::filesystem::read_symlink(shared.dir.path("link")), "/../x");
  EXPECT_EQ(shared.client.call(FUSE_SYMLINK, 1, text("empty") + text("")).error, ENOENT);
  EXPECT_EQ(shared.client.call(FUSE_SYMLINK, 1, text("long") + text(std::string(5000, 'x'))).error, ENAMETOOLONG);
  EXPECT_EQ(shared.client.call(FUSE_SYMLINK, 1, text("open") + raw("no end")).error, EINVAL);
}

TEST(Link, MakesTheSameNodeAgain) {
  SharedDir shared;
  shared.dir.write("file", "x");
  std::filesystem::create_symlink("file", shared.dir.path("symlink"));
  uint64_t node = shared.client.walk("file");
  Answer answer = shared.client.call(FUSE_LINK, 1, bytes_of(fuse_link_in{node}) + text("again"));
  EXPECT_EQ(answer.as<fuse_entry_out>().nodeid, node);
  EXPECT_EQ(answer.as<fuse_entry_out>().attr.nlink, 2u);
  answer = shared.client.call(FUSE_LINK, 1, bytes_of(fuse_link_in{shared.client.walk("symlink")}) + text("symlink2"));
  EXPECT_TRUE(S_ISLNK(answer.as<fuse_entry_out>().attr.mode)) << "the symlink itself, not what it points to";
  EXPECT_EQ(shared.client.call(FUSE_LINK, 1, bytes_of(fuse_link_in{1}) + text("dir")).error, EPERM);
  EXPECT_EQ(shared.client.call(FUSE_LINK, 1, bytes_of(fuse_link_in{99}) + text("x")).error, ENOENT);
  EXPECT_EQ(shared.client.call(FUSE_LINK, 1, bytes_of(fuse_link_in{node}) + text("again")).error, EEXIST);
}

TEST(Unlink, AndRmdirKeepToTheirKind) {
  SharedDir shared;
  shared.dir.write("file", "");
  mkdir(shared.client, "dir");
  EXPECT_EQ(shared.client.call(FUSE_RMDIR, 1, text("file")).error, ENOTDIR);
  EXPECT_EQ(shared.client.call(FUSE_UNLINK, 1, text("dir")).error, EISDIR);
  shared.dir.write("dir/x", "");
  EXPECT_EQ(shared.client.call(FUSE_RMDIR, 1, text("dir")).error, ENOTEMPTY);
  EXPECT_EQ(shared.client.call(FUSE_UNLINK, shared.client.walk("dir"), text("x")).error, 0);
  EXPECT_EQ(shared.client.call(FUSE_RMDIR, 1, text("dir")).error, 0);
  EXPECT_EQ(shared.client.call(FUSE_UNLINK, 1, text("file")).error, 0);
  EXPECT_EQ(shared.client.call(FUSE_UNLINK, 1, text("file")).error, ENOENT);
  EXPECT_TRUE(std::filesystem::is_empty(shared.dir.path()));
}

TEST(Rename, MovesReplacesExchangesOrNot) {
  SharedDir shared;
  shared.dir.write("a", "a");
  shared.dir.write("b", "b");
  mkdir(shared.client, "sub");
  uint64_t a = shared.client.walk("a"), sub = shared.client.walk("sub");
  EXPECT_EQ(rename(shared.client, {1, "a"}, {1, "b"}, RENAME_NOREPLACE).error, EEXIST);
  EXPECT_EQ(rename(shared.client, {1, "a"}, {1, "b"}, RENAME_EXCHANGE).error, 0);
  EXPECT_EQ(shared.dir.read("b"), "a");
  EXPECT_EQ(shared.client.walk("b"), a) << "the node goes with its file";
  EXPECT_EQ(rename(shared.client, {1, "b"}, {sub, "c"}).error, 0);
  EXPECT_EQ(shared.dir.read("sub/c"), "a");
  Answer plain = shared.client.call(FUSE_RENAME, sub, bytes_of(fuse_rename_in{1}) + text("c") + text("a"));
  EXPECT_EQ(plain.error, 0);
  EXPECT_EQ(shared.dir.read("a"), "a");
  EXPECT_EQ(rename(shared.client, {1, "none"}, {1, "w"}).error, ENOENT);
  EXPECT_EQ(rename(shared.client, {1, "a"}, {99, "w"}).error, ENOENT);
  EXPECT_EQ(rename(shared.client, {1, "sub"}, {sub, "x"}).error, EINVAL);
}

}  // namespace
}  // namespace cloche::fs
