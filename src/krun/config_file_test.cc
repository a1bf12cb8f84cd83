#include "krun/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace cloche::krun {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ConfigFileTest, ThreeShapesSayTheSame) {
  for (const char* text : {R"({"process": {"args": ["a", "b"], "env": ["X=1"], "cwd": "/w"}})",
                           R"({"args": ["a", "b"], "env": ["X=1"], "cwd": "/w"})",
                           R"({"Entrypoint": ["a"], "Cmd": ["b"], "Env": ["X=1"], "WorkingDir": "/w"})",
                           R"({"Config": {"Entrypoint": ["a"], "Cmd": ["b"], "Env": ["X=1"], "WorkingDir": "/w"}})"}) {
    auto found = parse_config(text);
    ASSERT_TRUE(found) << text;
    EXPECT_THAT(found->arguments, ElementsAre("a", "b")) << text;
    EXPECT_THAT(found->environment, ElementsAre("X=1")) << text;
    EXPECT_EQ(found->working_directory, "/w") << text;
  }
}

TEST(ConfigFileTest, AProcessMayLeaveItsArgumentsToOthers) {
  auto found = parse_config(R"({"process": {"env": ["X=1"], "cwd": "/w"}})");
  ASSERT_TRUE(found);
  EXPECT_THAT(found->arguments, IsEmpty());
  EXPECT_THAT(found->environment, ElementsAre("X=1"));
  EXPECT_EQ(found->working_directory, "/w");
}

TEST(ConfigFileTest, WhatIsLeftOutIsEmpty) {
  auto found = parse_config(R"({"Cmd": ["sh"], "Entrypoint": null, "Env": null})");
  ASSERT_TRUE(found);
  EXPECT_THAT(found->arguments, ElementsAre("sh"));
  EXPECT_THAT(found->environment, IsEmpty());
  EXPECT_EQ(found->working_directory, "");
}

TEST(ConfigFileTest, OfMountsThoseInMemoryAreNamed) {
  auto found = parse_config(R"({"process": {"args": ["a"]}, "mounts": [
    {"destination": "/run", "type": "tmpfs", "source": "tmpfs"}, {"destination": "/d", "type": "bind", "source": "/d"},
    {"destination": "up", "type": "tmpfs", "source": "tmpfs"}, {"type": "tmpfs", "source": "tmpfs"},
    {"destination": "/s", "type": "tmpfs", "source": "shm"}, {"destination": "/x", "type": 7}, [], null, "tmpfs"]})");
  ASSERT_TRUE(found);
  EXPECT_THAT(found->memory_mounts, ElementsAre("/run"));
  found = parse_config(R"({"args": ["a"], "mounts": {"type": "tmpfs"}})");
  ASSERT_TRUE(found);
  EXPECT_THAT(found->memory_mounts, IsEmpty());
}

TEST(ConfigFileTest, AnythingElseIsNothing) {
  for (const char* text : {"", "{", "[]", "7", "{}", R"({"args": "sh"})", R"({"args": [7]})", R"({"process": 7})",
                           R"({"Cmd": [[]]})", "\xff"})
    EXPECT_FALSE(parse_config(text)) << text;
}

TEST(ConfigFileTest, ARootCannotLeadOutOfItselfOrHoldUp) {
  char root[] = "/tmp/cloche-krun-XXXXXX";
  ASSERT_NE(::mkdtemp(root), nullptr);
  std::string inside = std::string(root) + "/root";
  std::filesystem::create_directory(inside);
  std::ofstream(std::string(root) + "/outside.json") << R"({"args": ["outside"]})";
  std::ofstream(inside + "/file.json") << R"({"args": ["inside"]})";
  std::filesystem::create_symlink("../outside.json", inside + "/up.json");
  std::filesystem::create_symlink("/file.json", inside + "/absolute.json");
  ASSERT_EQ(::mkfifo((inside + "/pipe.json").c_str(), 0600), 0);
  EXPECT_FALSE(read_config(inside, "/up.json"));
  EXPECT_FALSE(read_config(inside, "/../outside.json"));
  EXPECT_FALSE(read_config(inside, "/pipe.json"));
  EXPECT_FALSE(read_config(inside, "/nowhere.json"));
  EXPECT_FALSE(read_config(inside + "/nowhere", "/file.json"));
  auto found = read_config(inside, "/absolute.json");
  ASSERT_TRUE(found);
  EXPECT_THAT(found->arguments, ElementsAre("inside"));
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace cloche::krun
