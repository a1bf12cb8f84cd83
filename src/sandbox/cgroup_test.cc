#include "sandbox/cgroup.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/fd.h"

namespace cloche::sandbox {
namespace {

constexpr const char* kMount = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

TEST(Cgroup, APlaceIsFoundInTheKernelsTexts) {
  auto place = find_cgroup("0::/user.slice/a\n", kMount);
  ASSERT_TRUE(place) << place.error().message();
  EXPECT_EQ(place->top, "/sys/fs/cgroup");
  EXPECT_EQ(place->path, "/user.slice/a");
  // Beside cgroup v1, and where only a part of it is mounted.
  place = find_cgroup("4:memory:/x\n0::/part/a\n",
                      "30 1 0:3 /x /v1 rw - cgroup cgroup rw,memory\n"
                      "31 1 0:4 /part /v2 rw shared:1 - cgroup2 cgroup2 rw\n");
  ASSERT_TRUE(place) << place.error().message();
  EXPECT_EQ(place->top, "/v2");
  EXPECT_EQ(place->path, "/a");
}

TEST(Cgroup, WhatIsMissingIsSaid) {
  EXPECT_EQ(find_cgroup("4:memory:/x\n", kMount).error().code, ErrorCode::kUnavailable);
  EXPECT_NE(find_cgroup("0::/a\n", "30 1 0:3 / /proc rw - proc proc rw\n").error().what.find("not mounted"),
            std::string::npos);
  EXPECT_FALSE(find_cgroup("0::/../a\n", kMount));
  EXPECT_FALSE(find_cgroup("0::/b\n", "31 1 0:4 /part /v2 rw - cgroup2 cgroup2 rw\n"));
  EXPECT_FALSE(find_cgroup("0::/a\n", "31 - cgroup2 cgroup2 rw\n"));
  EXPECT_FALSE(find_cgroup("", ""));
}

// Directories that look like control groups, as far as finding one goes.
class CgroupTreeTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/cloche-cgroup-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    top_ = path;
    make("", "cpu memory pids", "cpu", "");
    std::filesystem::remove(top_ + "/cgroup.type");  // The root has none.
  }
  void TearDown() override { std::filesystem::remove_all(top_); }
  void make(const std::string& path, const std::string& controllers, const std::string& given,
            const std::string& processes) {
    std::filesystem::create_directory(top_ + path);
    for (const auto& [name, text] : {std::pair("controllers", controllers), std::pair("subtree_control", given),
                                     std::pair("procs", processes), std::pair("type", std::string("domain"))})
      std::ofstream(top_ + path + "/cgroup." + name) << text;
  }
  std::string control(const std::string& path) {
    return read_text_file(top_ + path + "/cgroup.subtree_control").value();
  }

  std::string top_;
};

TEST_F(CgroupTreeTest, TheNearestThatCanBeDividedIsTaken) {
  make("/a", "cpu pids", "cpu pids", "");
  make("/a/b", "cpu pids", "", "77\n");
  EXPECT_EQ(find_parent({top_, "/a/b"}, {"cpu", "pids"}).value(), top_ + "/a");
  EXPECT_EQ(control("/a"), "cpu pids");
  // Which has the controller, and lets it be turned on.
  EXPECT_EQ(find_parent({top_, "/a/b"}, {"memory"}).value(), top_);
  EXPECT_EQ(control(""), "+memory");
}

TEST_F(CgroupTreeTest, AGroupWithProcessesIsNotDivided) {
  make("/a", "cpu memory pids", "", "77\n");
  make("/a/b", "cpu memory pids", "", "78\n");
  EXPECT_EQ(find_parent({top_, "/a/b"}, {"cpu"}).value(), top_);
  EXPECT_EQ(control("/a"), "");
  EXPECT_EQ(control("/a/b"), "");
}

TEST_F(CgroupTreeTest, AnErrorNamesTheController) {
  auto none = find_parent({top_, "/"}, {"cpu", "io"});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(none.error().what.find("'io'"), std::string::npos);
}

TEST(Cgroup, OnlyWhatIsLimitedIsNeeded) {
  EXPECT_FALSE(has_limits({}));
  EXPECT_EQ(controllers_of({.cpu_thousandths = 1, .memory_bytes = 1, .processes = 1}),
            (std::vector<std::string>{"cpu", "memory", "pids"}));
  EXPECT_EQ(controllers_of({.processes = 1}), std::vector<std::string>{"pids"});
}

}  // namespace
}  // namespace cloche::sandbox
