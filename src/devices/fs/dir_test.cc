// READDIR and READDIRPLUS.
#include <dirent.h>
#include <sys/resource.h>

#include <random>
#include <set>

#include "devices/fs/testing/fuse_client.h"

namespace cloche::fs {
namespace {

std::multiset<std::string> names(const std::vector<DirectoryEntry>& entries) {
  std::multiset<std::string> all;
  for (const DirectoryEntry& entry : entries) all.insert(entry.name);
  return all;
}

TEST(Readdir, ListsNamesTypesAndNumbers) {
  SharedDir shared;
  shared.dir.write("file", "");
  std::filesystem::create_directory(shared.dir.path("sub"));
  std::filesystem::create_symlink("x", shared.dir.path("link"));
  std::map<std::string, DirectoryEntry> found;
  for (auto& entry : shared.client.list(1)) found[entry.name] = entry;
  ASSERT_EQ(found.size(), 5u);
  EXPECT_EQ(found["file"].type, DT_REG);
  EXPECT_EQ(found["sub"].type, DT_DIR);
  EXPECT_EQ(found["link"].type, DT_LNK);
  EXPECT_EQ(found["file"].number, shared.client.attributes(shared.client.walk("file")).ino);
  EXPECT_EQ(found["."].number, shared.client.attributes(1).ino);
  EXPECT_EQ(found[".."].number, found["."].number) << "the root is its own parent";
}

TEST(Readdirplus, CountsALookupForEachButTheDots) {
  SharedDir shared;
  shared.dir.write("file", "12345");
  std::map<std::string, DirectoryEntry> found;
  for (auto& entry : shared.client.list(1, FUSE_READDIRPLUS)) found[entry.name] = entry;
  EXPECT_EQ(found["."].entry.nodeid, 0u);
  EXPECT_EQ(found[".."].entry.nodeid, 0u);
  uint64_t node = found["file"].entry.nodeid;
  EXPECT_NE(node, 0u);
  EXPECT_EQ(found["file"].entry.attr.size, 5u);
  EXPECT_EQ(found["file"].entry.entry_valid, 1u);
  shared.client.forget(node, 1);
  EXPECT_EQ(shared.client.call(FUSE_GETATTR, node, bytes_of(fuse_getattr_in{})).error, ENOENT) << "counted once";
}

TEST(Readdirplus, FillsThePageAndNoMore) {
  SharedDir shared;
  for (int i = 0; i < 100; ++i) shared.dir.write("a-name-" + std::to_string(1000 + i), "");
  uint64_t handle = shared.client.open_directory(1);
  Answer answer = shared.client.read_page({1, handle, 0}, 4096, FUSE_READDIRPLUS);
  EXPECT_LE(answer.body.size(), 4096u);
  EXPECT_GT(answer.body.size(), 4096u - 168);
  EXPECT_EQ(answer.body.size() % 8, 0u);
}

TEST(Readdir, APageTooSmallForOneEntryIsAnErrorNotTheEnd) {
  SharedDir shared;
  uint64_t handle = shared.client.open_directory(1);
  EXPECT_EQ(shared.client.read_page({1, handle, 0}, 8).error, EINVAL);
  EXPECT_EQ(shared.client.read_page({1, handle, 0}, 0).error, EINVAL);
  EXPECT_EQ(shared.client.read_page({1, handle, 0}, 100, FUSE_READDIRPLUS).error, EINVAL);
}

TEST(Readdir, GoesOnFromAnyOffsetGiven) {
  SharedDir shared;
  for (int i = 0; i < 300; ++i) shared.dir.write("name-" + std::to_string(i), "");
  std::vector<DirectoryEntry> all = shared.client.list(1, FUSE_READDIR, 512);
  ASSERT_EQ(all.size(), 302u);
  uint64_t handle = shared.client.open_directory(1);
  for (size_t at : {301u, 7u, 200u, 6u, 0u}) {
    auto page = entries_of(shared.client.read_page({1, handle, all[at].offset}, 512).body);
    if (at == 301) {
      EXPECT_TRUE(page.empty());
    } else {
      ASSERT_FALSE(page.empty());
      EXPECT_EQ(page[0].name, all[at + 1].name);
    }
  }
  auto first = entries_of(shared.client.read_page({1, handle, 0}, 512).body);
  EXPECT_EQ(first[0].name, all[0].name);
  EXPECT_EQ(shared.client.read_page({1, handle, ~0ull}, 512).error, EINVAL);
}

TEST(Readdir, TenThousandEntriesWhileTheDirectoryChanges) {
  SharedDir shared;
  for (int i = 0; i < 10'000; ++i)
    Fd(::open(shared.dir.path("keep-" + std::to_string(i)).c_str(), O_CREAT | O_WRONLY, 0600));
  std::multiset<std::string> seen;
  uint64_t handle = shared.client.open_directory(1);
  int round = 0;
  for (uint64_t offset = 0;; ++round) {
    Answer answer = shared.client.read_page({1, handle, offset}, 4096);
    ASSERT_EQ(answer.error, 0);
    auto page = entries_of(answer.body);
    if (page.empty()) break;
    offset = page.back().offset;
    for (auto& entry : page) seen.insert(entry.name);
    shared.dir.write("new-" + std::to_string(round), "");
    if (round % 2 != 0) std::filesystem::remove(shared.dir.path("new-" + std::to_string(round - 1)));
  }
  for (int i = 0; i < 10'000; ++i) EXPECT_EQ(seen.count("keep-" + std::to_string(i)), 1u) << i;
}

TEST(Readdir, RemovingWhatWasListedMissesNothing) {
  SharedDir shared;
  for (int i = 0; i < 2'000; ++i)
    Fd(::open(shared.dir.path("x" + std::to_string(i)).c_str(), O_CREAT | O_WRONLY, 0600));
  uint64_t handle = shared.client.open_directory(1);
  for (uint64_t offset = 0;;) {
    auto page = entries_of(shared.client.read_page({1, handle, offset}, 1024, FUSE_READDIRPLUS).body, FUSE_READDIRPLUS);
    if (page.empty()) break;
    offset = page.back().offset;
    for (auto& entry : page) {
      if (!entry.name.starts_with("x")) continue;
      EXPECT_EQ(shared.client.call(FUSE_UNLINK, 1, text(entry.name)).error, 0);
    }
  }
  EXPECT_TRUE(std::filesystem::is_empty(shared.dir.path()));
}

TEST(Readdir, NamesOfAnyBytes) {
  SharedDir shared;
  std::mt19937 random(7);
  std::multiset<std::string> made{".", ".."};
  while (made.size() < 1'002) {
    std::string name(1 + random() % 255, '\0');
    for (char& c : name) {
      do c = static_cast<char>(random());
      while (c == '/' || c == '\0');
    }
    if (made.contains(name)) continue;
    Answer answer = shared.client.create(1, name, O_WRONLY, 0600);
    ASSERT_EQ(answer.error, 0) << std::strerror(answer.error);
    shared.client.release(answer.as<fuse_entry_out>().nodeid, answer.as<fuse_open_out>(sizeof(fuse_entry_out)).fh);
    made.insert(name);
  }
  EXPECT_EQ(names(shared.client.list(1)), made);
  EXPECT_EQ(names(shared.client.list(1, FUSE_READDIRPLUS)), made);
}

// With no descriptor left nothing is dropped from a listing, nothing leaks, and all is well once there are descriptors
// again.
TEST(Readdirplus, OutOfDescriptorsGivesPlainEntries) {
  SharedDir shared;
  for (int i = 0; i < 200; ++i) shared.dir.write("f" + std::to_string(i), "");
  uint64_t handle = shared.client.open_directory(1);
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
  int next = Fd(::dup(0)).get();
  rlimit low{static_cast<rlim_t>(next + 20), old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  size_t plain = 0, full = 0;
  for (uint64_t offset = 0;;) {
    auto page = entries_of(shared.client.read_page({1, handle, offset}, 4096, FUSE_READDIRPLUS).body, FUSE_READDIRPLUS);
    if (page.empty()) break;
    offset = page.back().offset;
    for (auto& entry : page) ++(entry.entry.nodeid == 0 ? plain : full);
  }
  Answer lookup = shared.client.lookup(1, "f199"), again = shared.client.lookup(1, "f198");
  Answer open = shared.client.call(FUSE_OPENDIR, 1, bytes_of(fuse_open_in{}));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
  EXPECT_EQ(plain + full, 202u);
  EXPECT_GE(full, 10u);
  EXPECT_TRUE(lookup.error == EMFILE || again.error == EMFILE);
  EXPECT_EQ(open.error, EMFILE);
  EXPECT_NE(shared.client.walk("f199"), 0u);
  EXPECT_EQ(shared.client.list(1).size(), 202u);
}

}  // namespace
}  // namespace cloche::fs
