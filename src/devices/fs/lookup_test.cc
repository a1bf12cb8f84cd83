// LOOKUP, FORGET and what makes two files the same inode.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "devices/fs/testing/fuse_client.h"

namespace cloche::fs {
namespace {

using testing::HasSubstr;

TEST(Lookup, FindsFilesDirectoriesAndSymlinks) {
  SharedDir shared;
  shared.dir.write("file", "hello");
  std::filesystem::create_directory(shared.dir.path("sub"));
  std::filesystem::create_symlink("nowhere", shared.dir.path("link"));
  auto file = shared.client.lookup(1, "file").as<fuse_entry_out>();
  EXPECT_GT(file.nodeid, 1u);
  EXPECT_TRUE(S_ISREG(file.attr.mode));
  EXPECT_EQ(file.attr.size, 5u);
  EXPECT_EQ(file.entry_valid, 1u);
  EXPECT_EQ(file.entry_valid_nsec, 0u);
  struct stat host{};
  ASSERT_EQ(::stat(shared.dir.path("file").c_str(), &host), 0);
  EXPECT_EQ(file.attr.ino, host.st_ino);
  EXPECT_EQ(file.attr.uid, host.st_uid);
  EXPECT_EQ(file.attr.mtimensec, host.st_mtim.tv_nsec);
  EXPECT_TRUE(S_ISDIR(shared.client.lookup(1, "sub").as<fuse_entry_out>().attr.mode));
  EXPECT_TRUE(S_ISLNK(shared.client.lookup(1, "link").as<fuse_entry_out>().attr.mode));
}

TEST(Lookup, MissingNameIsANegativeEntryWithTheTimeout) {
  SharedDir shared({.tag = "share", .entry_timeout = std::chrono::milliseconds(2500)});
  Answer answer = shared.client.lookup(1, "nothing");
  EXPECT_EQ(answer.error, 0);
  auto entry = answer.as<fuse_entry_out>();
  EXPECT_EQ(entry.nodeid, 0u);
  EXPECT_EQ(entry.entry_valid, 2u);
  EXPECT_EQ(entry.entry_valid_nsec, 500'000'000u);
}

TEST(Lookup, MissingNameIsEnoentWithoutTimeout) {
  SharedDir shared({.tag = "share", .entry_timeout = std::chrono::milliseconds(0)});
  EXPECT_EQ(shared.client.lookup(1, "nothing").error, ENOENT);
}

TEST(Lookup, SameFileIsTheSameNode) {
  SharedDir shared;
  shared.dir.write("a", "x");
  std::filesystem::create_hard_link(shared.dir.path("a"), shared.dir.path("b"));
  std::filesystem::create_directory(shared.dir.path("sub"));
  std::filesystem::create_hard_link(shared.dir.path("a"), shared.dir.path("sub/c"));
  shared.dir.write("d", "x");
  uint64_t a = shared.client.walk("a");
  EXPECT_EQ(shared.client.walk("b"), a);
  EXPECT_EQ(shared.client.walk("sub/c"), a);
  EXPECT_NE(shared.client.walk("d"), a);
}

TEST(Lookup, InAFileIsEnotdir) {
  SharedDir shared;
  shared.dir.write("file", "");
  EXPECT_EQ(shared.client.lookup(shared.client.walk("file"), "x").error, ENOTDIR);
}

TEST(Lookup, NodeIdsAreNeverReused) {
  SharedDir shared;
  shared.dir.write("file", "");
  uint64_t last = 0;
  for (int i = 0; i < 100; ++i) {
    uint64_t node = shared.client.walk("file");
    EXPECT_GT(node, last);
    last = node;
    shared.client.forget(node, 1);
  }
}

TEST(Forget, DropsTheNodeWithItsLastLookup) {
  SharedDir shared;
  shared.dir.write("file", "");
  uint64_t node = shared.client.walk("file");
  EXPECT_EQ(shared.client.walk("file"), node);
  shared.client.forget(node, 1);
  EXPECT_EQ(shared.client.call(FUSE_GETATTR, node, bytes_of(fuse_getattr_in{})).error, 0);
  shared.client.forget(node, 1, FuseClient::kRequests);
  EXPECT_EQ(shared.client.call(FUSE_GETATTR, node, bytes_of(fuse_getattr_in{})).error, ENOENT);
}

TEST(Forget, TooManyDoubleAndUnknownDoNoHarm) {
  SharedDir shared;
  shared.dir.write("file", "data");
  uint64_t node = shared.client.walk("file");
  uint64_t handle = shared.client.open_handle(node, O_RDONLY);
  shared.client.forget(node, ~0ull);
  shared.client.forget(node, 1);
  shared.client.forget(node, 0);
  shared.client.forget(0, 1);
  shared.client.forget(~0ull, ~0ull);
  EXPECT_EQ(string_of(shared.client.read({node, handle, 0}, 100).body), "data");
  EXPECT_NE(shared.client.walk("file"), 0u);
}

TEST(Forget, NeverDropsTheRoot) {
  SharedDir shared;
  shared.client.forget(1, ~0ull);
  shared.client.forget(1, 1);
  EXPECT_TRUE(S_ISDIR(shared.client.attributes(1).mode));
}

TEST(Forget, OfNothingKeepsWhatIsKnown) {
  SharedDir shared;
  shared.dir.write("file", "");
  uint64_t node = shared.client.walk("file");
  shared.client.forget(node, 0);
  EXPECT_TRUE(S_ISREG(shared.client.attributes(node).mode));
}

TEST(Forget, InBatchesTrustsBytesNotCounts) {
  SharedDir shared;
  shared.dir.write("a", "");
  shared.dir.write("b", "");
  uint64_t a = shared.client.walk("a"), b = shared.client.walk("b");
  Bytes body =
      bytes_of(fuse_batch_forget_in{~0u, 0}) + bytes_of(fuse_forget_one{a, 1}) + bytes_of(fuse_forget_one{b, 7});
  auto reply = shared.client.driver().send(0, shared.client.request(FUSE_BATCH_FORGET, 0, body));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->used, 0u);
  EXPECT_EQ(shared.client.call(FUSE_GETATTR, a, bytes_of(fuse_getattr_in{})).error, ENOENT);
  EXPECT_EQ(shared.client.call(FUSE_GETATTR, b, bytes_of(fuse_getattr_in{})).error, ENOENT);
}

TEST(Lookup, AKernelFileSystemIsAnEmptyDirectory) {
  Share share(Node::host(path_fd("/")));
  uint64_t proc = share.client.walk("proc");
  ASSERT_NE(proc, 0u);
  EXPECT_TRUE(S_ISDIR(share.client.attributes(proc).mode));
  // The memory of this very process is a regular file there.
  EXPECT_EQ(share.client.lookup(proc, "self").as<fuse_entry_out>().nodeid, 0u);
  EXPECT_EQ(share.client.list(proc).size(), 2u);
  EXPECT_EQ(share.client.list(proc, FUSE_READDIRPLUS).size(), 2u);
  EXPECT_EQ(share.client.create(proc, "x", O_RDWR, 0600).error, EROFS);
  fuse_setattr_in in{};
  in.valid = FATTR_MODE;
  EXPECT_EQ(share.client.setattr(proc, in).error, EROFS);
}

TEST(Lookup, OfAShareThatIsAKernelFileSystemFindsNothing) {
  Share share(Node::host(path_fd("/proc")));
  EXPECT_EQ(share.client.lookup(1, "meminfo").as<fuse_entry_out>().nodeid, 0u);
  EXPECT_EQ(share.client.lookup(1, std::to_string(::getpid())).as<fuse_entry_out>().nodeid, 0u);
}

TEST(Create, RefusesWhatCannotBeShared) {
  EXPECT_FALSE(Fs::create({.tag = "t"}, Node::host(path_fd("/dev/null")), Log()));
  EXPECT_FALSE(Fs::create({.tag = "t"}, Node::host(path_fd("/proc/self/exe")), Log()));
  EXPECT_FALSE(Fs::create({.tag = "t"}, Node::host(Fd()), Log()));
  EXPECT_FALSE(Fs::create({.tag = ""}, Node::host(path_fd("/")), Log()));
  auto long_tag = Fs::create({.tag = std::string(37, 'x')}, Node::host(path_fd("/")), Log());
  ASSERT_FALSE(long_tag);
  EXPECT_THAT(long_tag.error().what, HasSubstr("36"));
}

}  // namespace
}  // namespace cloche::fs
