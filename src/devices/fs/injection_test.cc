// Files laid over a share from memory: found and listed before the host's, never changed, and gone after a look where
// so asked.
#include <gmock/gmock.h>
#include <stdio.h>
#include <sys/stat.h>

#include "devices/fs/testing/fuse_client.h"

namespace cloche::fs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

using Injections = std::vector<Injection>;
constexpr auto kOne = Injection::Lookups::kOne;
constexpr auto kDirectory = Injection::Kind::kDirectory;

class InjectionTest : public testing::Test {
 protected:
  InjectionTest() {
    std::filesystem::create_directories(host.path("etc/deep"));
    host.write("etc/passwd", "the host's");
    host.write("file", "the host's");
  }
  void share(Injections injected, Options options = {.tag = "share"}) {
    options.injected = std::move(injected);
    shared = std::make_unique<Share>(Node::host(path_fd(host.path())), std::move(options));
    client = &shared->client;
  }
  static std::shared_ptr<size_t> few() { return std::make_shared<size_t>(100); }
  std::string why_not(Injections injected) {
    auto made = Fs::create({.tag = "share", .injected = std::move(injected)}, Node::host(path_fd(host.path())), Log());
    return made ? "" : made.error().message();
  }
  std::vector<std::string> names(uint64_t node, uint32_t opcode = FUSE_READDIR, uint32_t page_size = 4096) {
    std::vector<std::string> all;
    for (auto& entry : client->list(node, opcode, page_size)) {
      if (entry.name != "." && entry.name != "..") all.push_back(entry.name);
    }
    return all;
  }

  TempDir host;
  std::unique_ptr<Share> shared;
  FuseClient* client = nullptr;
};

TEST_F(InjectionTest, AreFoundInPlaceOfTheHosts) {
  share({{.path = "file", .contents = "from memory", .mode = 0555},
         {.path = "etc/deep/new", .contents = "x"},
         {.path = "run", .kind = kDirectory, .mode = 0755},
         {.path = "run/secret", .contents = "s", .mode = 0400}});
  EXPECT_EQ(client->contents(client->walk("file")), "from memory");
  fuse_attr attributes = client->attributes(client->walk("file"));
  EXPECT_EQ(attributes.mode, S_IFREG | 0555u);
  EXPECT_EQ(attributes.size, 11u);
  EXPECT_EQ(client->contents(client->walk("etc/deep/new")), "x");
  EXPECT_EQ(client->contents(client->walk("run/secret")), "s");
  EXPECT_EQ(client->contents(client->walk("etc/passwd")), "the host's");
  EXPECT_EQ(host.read("file"), "the host's");
  EXPECT_FALSE(std::filesystem::exists(host.path("run")));
}

TEST_F(InjectionTest, AreListedOnceInPlaceOfTheHosts) {
  share({{.path = "file"}, {.path = "new"}, {.path = "dir", .kind = kDirectory}});
  for (uint32_t opcode : {FUSE_READDIR, FUSE_READDIRPLUS}) {
    EXPECT_THAT(names(1, opcode), UnorderedElementsAre("file", "new", "dir", "etc"));
  }
  EXPECT_THAT(names(client->walk("dir")), ElementsAre());
  auto all = client->list(1, FUSE_READDIRPLUS);
  for (auto& entry : all) {
    if (entry.name != "." && entry.name != "..") {
      EXPECT_EQ(entry.entry.nodeid, client->walk(entry.name)) << entry.name;
    }
  }
}

TEST_F(InjectionTest, OffsetsAreStableAndDistinct) {
  for (int i = 0; i < 300; ++i) host.write("etc/host" + std::to_string(i), "");
  Injections injected;
  for (int i = 0; i < 20; ++i) injected.push_back({.path = "etc/injected" + std::to_string(i)});
  share(std::move(injected));
  uint64_t etc = client->walk("etc");
  auto all = client->list(etc, FUSE_READDIR, 200);
  ASSERT_EQ(all.size(), 20u + 300 + 4);
  std::map<uint64_t, size_t> places;
  for (size_t i = 0; i < all.size(); ++i) EXPECT_TRUE(places.emplace(all[i].offset, i).second) << all[i].name;
  uint64_t handle = client->open_directory(etc);
  for (size_t i = 0; i + 1 < all.size(); i += 7) {
    auto page = entries_of(client->read_page({etc, handle, all[i].offset}, 400).body);
    ASSERT_FALSE(page.empty()) << i;
    EXPECT_EQ(page[0].name, all[i + 1].name);
  }
  EXPECT_TRUE(entries_of(client->read_page({etc, handle, all.back().offset}, 400).body).empty());
  EXPECT_EQ(client->read_page({etc, handle, ~0ull}, 400).error, EINVAL);
}

TEST_F(InjectionTest, CannotBeChanged) {
  share({{.path = "file", .contents = "x"}, {.path = "dir", .kind = kDirectory}});
  auto with_names = [&](uint32_t opcode, const Bytes& body) { return client->call(opcode, 1, body).error; };
  EXPECT_EQ(with_names(FUSE_UNLINK, text("file")), EROFS);
  EXPECT_EQ(with_names(FUSE_RMDIR, text("dir")), EROFS);
  EXPECT_EQ(with_names(FUSE_MKDIR, bytes_of(fuse_mkdir_in{0700, 0}) + text("file")), EEXIST);
  EXPECT_EQ(with_names(FUSE_SYMLINK, text("file") + text("x")), EEXIST);
  EXPECT_EQ(with_names(FUSE_MKNOD, bytes_of(fuse_mknod_in{S_IFREG, 0, 0, 0}) + text("file")), EEXIST);
  uint64_t etc = client->walk("etc"), passwd = client->walk("etc/passwd"), file = client->walk("file");
  EXPECT_EQ(with_names(FUSE_LINK, bytes_of(fuse_link_in{passwd}) + text("file")), EEXIST);
  for (uint32_t flags : {0u, static_cast<uint32_t>(RENAME_EXCHANGE), static_cast<uint32_t>(RENAME_NOREPLACE)}) {
    fuse_rename2_in here{1, flags, 0};
    EXPECT_EQ(with_names(FUSE_RENAME2, bytes_of(here) + text("file") + text("other")), EROFS);
    EXPECT_EQ(with_names(FUSE_RENAME2, bytes_of(here) + text("etc") + text("file")), EROFS);
  }
  EXPECT_EQ(client->call(FUSE_RENAME, etc, bytes_of(fuse_rename_in{1}) + text("passwd") + text("file")).error, EROFS);
  EXPECT_EQ(client->create(1, "file", O_RDWR | O_EXCL, 0600).error, EEXIST);
  EXPECT_EQ(client->create(1, "file", O_RDWR, 0600).error, EROFS);
  EXPECT_EQ(client->create(1, "file", O_RDONLY | O_TRUNC, 0600).error, EROFS);
  EXPECT_EQ(client->create(1, "file", O_RDONLY, 0600).as<fuse_entry_out>().nodeid, file);
  EXPECT_EQ(client->open(file, O_WRONLY).error, EROFS);
  EXPECT_EQ(client->setattr(file, fuse_setattr_in{}).error, EROFS);
  struct {
    uint32_t size, flags, more_flags, padding;
  } head{1, 0, 0, 0};
  EXPECT_EQ(client->call(FUSE_SETXATTR, file, bytes_of(head) + text("user.x") + raw("v")).error, EROFS);
  EXPECT_EQ(client->call(FUSE_REMOVEXATTR, file, text("user.x")).error, EROFS);
  EXPECT_EQ(client->create(client->walk("dir"), "x", O_RDWR, 0600).error, EROFS);
  EXPECT_EQ(client->contents(file), "x");
  EXPECT_EQ(host.read("file"), "the host's");
}

TEST_F(InjectionTest, TheDirectoryTheyLieInStays) {
  share({{.path = "etc/deep/new", .contents = "x"}});
  uint64_t etc = client->walk("etc");
  EXPECT_EQ(client->call(FUSE_RMDIR, etc, text("deep")).error, ENOTEMPTY);
  EXPECT_EQ(client->call(FUSE_MKDIR, etc, bytes_of(fuse_mkdir_in{0700, 0}) + text("other")).error, 0);
  EXPECT_EQ(client->call(FUSE_RENAME, etc, bytes_of(fuse_rename_in{etc}) + text("other") + text("deep")).error,
            ENOTEMPTY);
  EXPECT_EQ(client->call(FUSE_RMDIR, etc, text("other")).error, 0);
  EXPECT_EQ(client->call(FUSE_RENAME, etc, bytes_of(fuse_rename_in{1}) + text("deep") + text("moved")).error, 0);
  EXPECT_EQ(client->contents(client->walk("moved/new")), "x") << "it goes with its directory";
}

TEST_F(InjectionTest, OneLookupAndItIsGone) {
  share({{.path = "file", .contents = "once", .lookups = kOne}});
  EXPECT_THAT(names(1, FUSE_READDIRPLUS), UnorderedElementsAre("file", "etc")) << "to be listed is no lookup";
  auto entry = client->lookup(1, "file").as<fuse_entry_out>();
  EXPECT_EQ(entry.entry_valid + entry.entry_valid_nsec, 0u);
  uint64_t handle = client->open_handle(entry.nodeid, O_RDONLY);
  EXPECT_NE(client->walk("file"), entry.nodeid) << "the host's file shows";
  EXPECT_EQ(client->contents(client->walk("file")), "the host's");
  EXPECT_THAT(names(1), UnorderedElementsAre("file", "etc"));
  EXPECT_EQ(client->contents(entry.nodeid), "once");
  client->forget(entry.nodeid, 1);
  EXPECT_EQ(client->open(entry.nodeid, O_RDONLY).error, ENOENT);
  EXPECT_EQ(string_of(client->read({entry.nodeid, handle, 0}, 10).body), "once") << "who has it open reads on";
  client->init();
  EXPECT_EQ(client->contents(client->walk("file")), "the host's");
}

TEST_F(InjectionTest, OneLookupCountsInADirectoryOfMemoryToo) {
  share({{.path = "dir", .kind = kDirectory}, {.path = "dir/a", .contents = "a", .lookups = kOne}, {.path = "dir/b"}});
  uint64_t dir = client->walk("dir");
  EXPECT_EQ(client->contents(client->walk("dir/a")), "a");
  EXPECT_EQ(client->walk("dir/a"), 0u);
  EXPECT_THAT(names(dir), ElementsAre("b"));
}

TEST_F(InjectionTest, TheGuestCannotMakeThemPile) {
  share({{.path = "file", .contents = "x"}});
  uint64_t node = client->walk("file");
  client->forget(node, ~0ull);
  EXPECT_EQ(client->walk("file"), node);
  client->init();
  EXPECT_EQ(client->contents(client->walk("file")), "x");
}

TEST_F(InjectionTest, OneIsCountedForACreateToo) {
  share({{.path = "file", .contents = "once", .lookups = kOne}});
  EXPECT_EQ(client->create(1, "file", O_RDWR, 0600).error, EROFS);
  EXPECT_THAT(names(1), UnorderedElementsAre("file", "etc")) << "what was refused does not count";
  uint64_t once = client->create(1, "file", O_RDONLY, 0600).as<fuse_entry_out>().nodeid;
  EXPECT_EQ(client->contents(once), "once");
  client->forget(once, ~0ull);
  client->forget(once, 1);
  EXPECT_EQ(client->call(FUSE_GETATTR, once, bytes_of(fuse_getattr_in{})).error, ENOENT);
  EXPECT_EQ(client->call(FUSE_UNLINK, 1, text("file")).error, 0) << "the host's";
  EXPECT_EQ(client->walk("file"), 0u);
}

TEST_F(InjectionTest, AListThatLosesEntriesIsNotKept) {
  Options read_only{.tag = "share", .read_only = true};
  share({{.path = "etc/deep/new"}, {.path = "dir", .kind = kDirectory}, {.path = "dir/a", .lookups = kOne}}, read_only);
  auto is_kept = [&](const char* path) {
    Bytes in = bytes_of(fuse_open_in{});
    return (client->call(FUSE_OPENDIR, client->walk(path), in).as<fuse_open_out>().open_flags & FOPEN_CACHE_DIR) != 0;
  };
  EXPECT_TRUE(is_kept("etc/deep"));
  EXPECT_FALSE(is_kept("dir"));
}

TEST_F(InjectionTest, AnyOffsetIsAnswered) {
  share({{.path = "etc/a"}, {.path = "etc/b", .lookups = kOne}, {.path = "dir", .kind = kDirectory}});
  uint64_t etc = client->walk("etc"), dir = client->walk("dir");
  uint64_t of_etc = client->open_directory(etc), of_dir = client->open_directory(dir);
  for (int bit = 0; bit < 64; ++bit) {
    for (uint64_t offset : {uint64_t{1} << bit, (uint64_t{1} << bit) - 1, (uint64_t{1} << bit) + 1}) {
      for (uint64_t handle : {of_etc, of_dir}) {
        static_cast<void>(client->read_page({etc, handle, offset}, 400));
        static_cast<void>(client->read_page({dir, handle, offset}, 400));
      }
    }
  }
  EXPECT_EQ(client->contents(client->walk("etc/passwd")), "the host's");
}

TEST_F(InjectionTest, StayWithFewDescriptors) {
  for (int i = 0; i < 100; ++i) host.write("etc/host" + std::to_string(i), "x");
  share({{.path = "etc/deep/new", .contents = "x"}}, {.tag = "share", .descriptors = Descriptors{16, few()}});
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 100; ++i) EXPECT_NE(client->walk("etc/host" + std::to_string(i)), 0u);
    EXPECT_EQ(client->contents(client->walk("etc/deep/new")), "x");
    client->init();
  }
}

TEST_F(InjectionTest, GoWithADirectoryThatTheHostRemoves) {
  share({{.path = "etc/deep/new", .contents = "x"}});
  uint64_t known = client->walk("etc/deep/new");
  std::filesystem::remove(host.path("etc/deep"));
  EXPECT_EQ(client->walk("etc/deep"), 0u);
  std::filesystem::create_directory(host.path("etc/deep"));
  EXPECT_EQ(client->contents(known), "x");
}

TEST_F(InjectionTest, WrongOnesAreNamed) {
  EXPECT_THAT(why_not({{.path = "none/file"}}), HasSubstr("no such directory"));
  EXPECT_THAT(why_not({{.path = "file/below"}}), HasSubstr("not a directory"));
  EXPECT_THAT(why_not({{.path = "file/deep/below"}}), HasSubstr("not a directory"));
  std::filesystem::create_symlink("etc", host.path("link"));
  EXPECT_THAT(why_not({{.path = "link/below"}}), HasSubstr("not a directory"));
  EXPECT_THAT(why_not({{.path = "../etc/x"}}), HasSubstr("no such directory"));
  for (std::string path : {std::string(), std::string("/"), std::string("etc/"), std::string("etc/.."),
                           std::string("."), std::string(256, 'x')}) {
    EXPECT_THAT(why_not({{.path = path}}), HasSubstr("names no file")) << path;
  }
  EXPECT_THAT(why_not({{.path = std::string("a\0b", 3)}}), HasSubstr("zero byte"));
  EXPECT_THAT(why_not({{.path = "a"}, {.path = "/a"}}), HasSubstr("two of this name"));
  EXPECT_THAT(why_not({{.path = "a", .kind = kDirectory, .lookups = kOne}}), HasSubstr("only files"));
  EXPECT_EQ(why_not({{.path = "a", .kind = kDirectory}, {.path = "a/b"}}), "");
}

}  // namespace
}  // namespace cloche::fs
