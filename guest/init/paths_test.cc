#include "guest/init/paths.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "guest/init/shares.h"

namespace cloche::init {
namespace {

class PathsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/cloche-init-paths-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    top_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(top_); }
  std::string at(const std::string& name) const { return top_ + name; }

 private:
  std::string top_;
};

TEST_F(PathsTest, MakesAllThatIsMissing) {
  ASSERT_TRUE(make_place(at("/a/b//c/"), Place::kDirectory));
  EXPECT_TRUE(std::filesystem::is_directory(at("/a/b/c")));
  ASSERT_TRUE(make_place(at("/a/x/y"), Place::kFile));
  EXPECT_TRUE(std::filesystem::is_regular_file(at("/a/x/y")));
}

TEST_F(PathsTest, LeavesWhatIsThere) {
  std::ofstream(at("/file")) << "text";
  ASSERT_TRUE(make_place(at("/file"), Place::kFile));
  EXPECT_EQ(std::filesystem::file_size(at("/file")), 4u);
  ASSERT_TRUE(make_place(at("/file"), Place::kDirectory));
  ASSERT_TRUE(make_place("/", Place::kDirectory));
}

TEST_F(PathsTest, MakesWhereLinksLeadToNothing) {
  std::filesystem::create_directory(at("/etc"));
  std::filesystem::create_symlink("../run/systemd/resolv.conf", at("/etc/resolv.conf"));
  ASSERT_TRUE(make_place(at("/etc/resolv.conf"), Place::kFile));
  EXPECT_TRUE(std::filesystem::is_regular_file(at("/run/systemd/resolv.conf")));
  std::filesystem::create_symlink(at("/far/away"), at("/var"));
  ASSERT_TRUE(make_place(at("/var/lib/data"), Place::kDirectory));
  EXPECT_TRUE(std::filesystem::is_directory(at("/far/away/lib/data")));
}

TEST_F(PathsTest, RefusesALoopOfLinks) {
  std::filesystem::create_symlink("two", at("/one"));
  std::filesystem::create_symlink("one", at("/two"));
  auto made = make_place(at("/one/x"), Place::kDirectory);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().sys_errno, ELOOP);
}

TEST_F(PathsTest, SaysWhatItCouldNotMake) {
  std::ofstream(at("/file")) << "text";
  auto made = make_place(at("/file/x"), Place::kDirectory);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().what, "make directory " + at("/file/x"));
  EXPECT_EQ(made.error().sys_errno, ENOTDIR);
}

TEST_F(PathsTest, RefusesWhatNoPathIsLongEnoughFor) {
  std::string deep;
  for (int i = 0; i < 1'000'000; ++i) deep += "/a";
  EXPECT_EQ(make_place(deep, Place::kDirectory).error().sys_errno, ENAMETOOLONG);
}

TEST(PathDepth, CountsNames) {
  for (auto [path, depth] : {std::pair("/", 0u), {"", 0u}, {"/a", 1u}, {"/a/", 1u}, {"//a//b/./c", 3u}, {"/.", 0u}})
    EXPECT_EQ(path_depth(path), depth) << path;
}

TEST(MountOrder, ParentsFirstAndOtherwiseAsGiven) {
  std::vector<wire::Mount> mounts;
  for (const char* path : {"/a/b/c", "/z", "/a/b", "/a", "//a/d"}) mounts.push_back({.tag = "t", .path = path});
  std::string order;
  for (const wire::Mount* mount : mount_order(mounts)) order += mount->path + " ";
  EXPECT_EQ(order, "/z /a /a/b //a/d /a/b/c ");
}

}  // namespace
}  // namespace cloche::init
