// Shares made of a tree in memory: only what it names is there, and nothing of it can be changed or left.
#include <dirent.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <set>

#include "devices/fs/testing/fuse_client.h"

namespace cloche::fs {
namespace {

using testing::ElementsAre;

using Children = std::vector<std::pair<std::string, Node>>;

class VirtualTree : public testing::Test {
 protected:
  VirtualTree() {
    std::filesystem::create_directories(host.path("usr/bin"));
    host.write("usr/bin/sh", "a shell");
    host.write("passwd", "root:x:0");
    host.write("secret", "not shown");
    share = std::make_unique<Share>(tree());
    client = &share->client;
  }
  Node tree() {
    Children etc;
    etc.emplace_back("passwd", Node::host(path_fd(host.path("passwd"))));
    etc.emplace_back("hosts", Node::file("127.0.0.1 localhost\n", 0444));
    etc.emplace_back("deep", Node::directory({}, 0700));
    Children root;
    root.emplace_back("usr", Node::host(path_fd(host.path("usr"))));
    root.emplace_back("bin", Node::symlink("usr/bin"));
    root.emplace_back("etc", Node::directory(std::move(etc)));
    root.emplace_back("again", Node::host(path_fd(host.path("usr"))));
    return Node::directory(std::move(root));
  }

  TempDir host;
  std::unique_ptr<Share> share;
  FuseClient* client = nullptr;
};

TEST_F(VirtualTree, ShowsWhatItNames) {
  std::vector<std::string> names;
  for (auto& entry : client->list(1)) names.push_back(entry.name);
  EXPECT_THAT(names, ElementsAre(".", "..", "usr", "bin", "etc", "again"));
  EXPECT_EQ(client->contents(client->walk("usr/bin/sh")), "a shell");
  EXPECT_EQ(client->contents(client->walk("etc/passwd")), "root:x:0");
  EXPECT_EQ(client->contents(client->walk("etc/hosts")), "127.0.0.1 localhost\n");
  EXPECT_EQ(string_of(client->call(FUSE_READLINK, client->walk("bin")).body), "usr/bin");
  EXPECT_EQ(client->walk("secret"), 0u);
  EXPECT_EQ(client->walk("etc/shadow"), 0u);
  EXPECT_EQ(client->attributes(client->walk("etc/deep")).mode, S_IFDIR | 0700u);
  EXPECT_EQ(client->attributes(client->walk("etc/hosts")).mode, S_IFREG | 0444u);
  EXPECT_EQ(client->attributes(client->walk("etc/hosts")).size, 20u);
}

TEST_F(VirtualTree, NamesStayKnownForLongAndHostAttributesDoNot) {
  auto usr = client->lookup(1, "usr").as<fuse_entry_out>();
  EXPECT_GT(usr.entry_valid, 1000u);
  EXPECT_EQ(usr.attr_valid, 1u);
  auto etc = client->lookup(1, "etc").as<fuse_entry_out>();
  EXPECT_GT(etc.attr_valid, 1000u);
}

TEST_F(VirtualTree, ListsInPagesAndPlus) {
  auto all = client->list(1, FUSE_READDIRPLUS, 200);
  ASSERT_EQ(all.size(), 6u);
  EXPECT_EQ(all[2].entry.nodeid, client->walk("usr"));
  EXPECT_EQ(all[3].type, DT_LNK);
  EXPECT_EQ(all[4].number, client->attributes(client->walk("etc")).ino);
  uint64_t handle = client->open_directory(1);
  EXPECT_EQ(client->read_page({1, handle, ~0ull}, 4096).body.size(), 0u);
}

TEST_F(VirtualTree, ParentOfAHostDirectoryIsTheVirtualOne) {
  std::map<std::string, DirectoryEntry> found;
  for (auto& entry : client->list(client->walk("usr"))) found[entry.name] = entry;
  EXPECT_EQ(found[".."].number, client->attributes(1).ino);
  EXPECT_EQ(client->lookup(client->walk("usr"), "..").error, EINVAL);
  EXPECT_EQ(client->lookup(client->walk("usr"), ".").error, EINVAL);
}

TEST_F(VirtualTree, NumbersAreDistinct) {
  std::set<uint64_t> numbers;
  for (const char* path : {"usr", "bin", "etc", "etc/hosts", "etc/passwd", "etc/deep", "usr/bin", "usr/bin/sh"}) {
    EXPECT_TRUE(numbers.insert(client->attributes(client->walk(path)).ino).second) << path;
  }
}

TEST_F(VirtualTree, CannotBeChanged) {
  uint64_t etc = client->walk("etc"), hosts = client->walk("etc/hosts"), usr = client->walk("usr");
  for (uint64_t parent : {uint64_t{1}, etc}) {
    EXPECT_EQ(client->create(parent, "x", O_RDWR, 0600).error, EROFS);
    EXPECT_EQ(client->call(FUSE_MKDIR, parent, bytes_of(fuse_mkdir_in{0700, 0}) + text("x")).error, EROFS);
    EXPECT_EQ(client->call(FUSE_SYMLINK, parent, text("x") + text("y")).error, EROFS);
    EXPECT_EQ(client->call(FUSE_MKNOD, parent, bytes_of(fuse_mknod_in{S_IFREG, 0, 0, 0}) + text("x")).error, EROFS);
    EXPECT_EQ(client->call(FUSE_UNLINK, parent, text("hosts")).error, EROFS);
    EXPECT_EQ(client->call(FUSE_RMDIR, parent, text("usr")).error, EROFS);
    EXPECT_EQ(client->call(FUSE_RENAME, parent, bytes_of(fuse_rename_in{usr}) + text("usr") + text("x")).error, EROFS);
    EXPECT_EQ(client->call(FUSE_LINK, parent, bytes_of(fuse_link_in{hosts}) + text("x")).error, EROFS);
    EXPECT_EQ(client->setattr(parent, fuse_setattr_in{}).error, EROFS);
  }
  EXPECT_EQ(client->call(FUSE_LINK, usr, bytes_of(fuse_link_in{hosts}) + text("x")).error, EXDEV);
  EXPECT_EQ(client->open(hosts, O_WRONLY).error, EROFS);
  EXPECT_EQ(client->open(hosts, O_RDONLY | O_TRUNC).error, EROFS);
  EXPECT_EQ(client->create(hosts, "x", O_RDWR, 0600).error, ENOTDIR);
  uint64_t handle = client->open_handle(hosts, O_RDONLY);
  EXPECT_EQ(client->write({hosts, handle, 0}, "x").error, EBADF);
  fuse_setattr_in size{};
  size.valid = FATTR_SIZE | FATTR_FH;
  size.fh = handle;
  EXPECT_EQ(client->setattr(client->walk("usr/bin/sh"), size).error, EBADF);
  EXPECT_EQ(client->call(FUSE_FALLOCATE, hosts, bytes_of(fuse_fallocate_in{handle, 0, 1, 0, 0})).error, EOPNOTSUPP);
  EXPECT_EQ(client->contents(client->walk("usr/bin/sh")), "a shell");
}

TEST_F(VirtualTree, HostPartsOfItCanBeChanged) {
  uint64_t usr = client->walk("usr");
  EXPECT_EQ(client->create(usr, "new", O_RDWR, 0600).error, 0);
  EXPECT_TRUE(std::filesystem::exists(host.path("usr/new")));
}

TEST_F(VirtualTree, TwoViewsOfADirectoryAreTwoDirectoriesAndOneSetOfFiles) {
  EXPECT_NE(client->walk("usr/bin"), client->walk("again/bin"));
  EXPECT_EQ(client->walk("usr/bin/sh"), client->walk("again/bin/sh"));
  uint64_t from = client->walk("usr/bin"), to = client->walk("again");
  EXPECT_EQ(client->call(FUSE_RENAME, from, bytes_of(fuse_rename_in{to}) + text("sh") + text("x")).error, EXDEV);
}

TEST_F(VirtualTree, FilesOfItReadSeekAndHaveNoAttributes) {
  uint64_t hosts = client->walk("etc/hosts");
  uint64_t handle = client->open_handle(hosts, O_RDONLY);
  EXPECT_EQ(string_of(client->read({hosts, handle, 10}, 4).body), "loca");
  EXPECT_EQ(client->read({hosts, handle, 20}, 4).body.size(), 0u);
  EXPECT_EQ(client->read({hosts, handle, ~0ull}, 4).body.size(), 0u);
  fuse_lseek_in seek{};
  seek.fh = handle;
  seek.whence = SEEK_HOLE;
  EXPECT_EQ(client->call(FUSE_LSEEK, hosts, bytes_of(seek)).as<fuse_lseek_out>().offset, 20u);
  EXPECT_EQ(client->call(FUSE_GETXATTR, hosts, bytes_of(fuse_getxattr_in{9, 0}) + text("user.x")).error, ENODATA);
  EXPECT_EQ(client->call(FUSE_STATFS, hosts).error, 0);
  client->forget(hosts, ~0ull);
  EXPECT_EQ(string_of(client->read({hosts, handle, 10}, 4).body), "loca");
  EXPECT_EQ(client->walk("etc/hosts"), hosts) << "never forgotten";
}

TEST_F(VirtualTree, AHandleOfOneDirectoryWithTheNodeOfAnother) {
  uint64_t usr = client->walk("usr");
  uint64_t in_memory = client->open_directory(1), on_host = client->open_directory(usr);
  EXPECT_EQ(client->read_page({usr, in_memory, 0}, 4096).error, EBADF);
  EXPECT_EQ(client->read_page({1, on_host, 0}, 4096).error, 0);
  EXPECT_EQ(client->read_page({client->walk("etc/hosts"), on_host, 0}, 4096).error, ENOTDIR);
}

TEST(VirtualTreeOf, BadNamesIsRefused) {
  for (std::string name : {std::string(""), std::string("."), std::string(".."), std::string("a/b"),
                           std::string("a\0b", 3), std::string(256, 'x')}) {
    Children children;
    children.emplace_back(name, Node::file("x"));
    EXPECT_FALSE(Fs::create({.tag = "t"}, Node::directory(std::move(children)), Log())) << name;
  }
  Children twice;
  twice.emplace_back("a", Node::file("x"));
  twice.emplace_back("a", Node::file("y"));
  EXPECT_FALSE(Fs::create({.tag = "t"}, Node::directory(std::move(twice)), Log()));
}

}  // namespace
}  // namespace cloche::fs
