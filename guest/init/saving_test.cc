#include "guest/init/saving.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

namespace cloche::init {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int kPatienceMs = 100;

bool vdb_has_stopped(const std::string& disk) { return disk == "vdb" || disk.empty(); }
bool none_has_stopped(const std::string&) { return false; }

void write_at_once(const std::string& path) { std::ofstream(path) << "saved"; }
void write_slowly(const std::string& path) {
  ::usleep(1'500'000);
  write_at_once(path);
}
void wait_for_ever(const std::string&) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // Nobody ends it before the test's process does.
  for (;;) ::pause();
}

class SavingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    sigset_t child;
    ::sigemptyset(&child);
    ::sigaddset(&child, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &child, &before_);
    ASSERT_NE(::mkdtemp(directory_.data()), nullptr);
  }
  void TearDown() override {
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
    std::filesystem::remove_all(directory_);
  }
  std::string file(const char* name) const { return directory_ + "/" + name; }
  bool is_saved(const char* name) const { return std::filesystem::exists(file(name)); }

  sigset_t before_{};
  std::string directory_ = ::testing::TempDir() + "saving-XXXXXX";
};

TEST_F(SavingTest, AllOfItAndNobodyIsNamed) {
  std::vector<Saving> all{
      {"vda", file("a"), write_at_once}, {"vdb", file("b"), write_at_once}, {"", file("rest"), write_at_once}};
  EXPECT_EQ(save_all(all, vdb_has_stopped, kPatienceMs), "");
  EXPECT_TRUE(is_saved("a") && is_saved("b") && is_saved("rest"));
}

TEST_F(SavingTest, ADiskThatHasStoppedIsNamedAndWaitedForNoLonger) {
  std::vector<Saving> all{{"vdb", "", wait_for_ever}, {"vdb", "", wait_for_ever}, {"", "", wait_for_ever}};
  auto began = Clock::now();
  EXPECT_EQ(save_all(all, vdb_has_stopped, kPatienceMs), "/dev/vdb");
  EXPECT_LT(Clock::now() - began, 5s);
}

TEST_F(SavingTest, AnotherDiskHasTheTimeThatItTakes) {
  std::vector<Saving> all{{"vdb", "", wait_for_ever}, {"vda", file("a"), write_slowly}, {"", "", wait_for_ever}};
  EXPECT_EQ(save_all(all, vdb_has_stopped, kPatienceMs), "/dev/vdb");
  EXPECT_TRUE(is_saved("a"));
}

TEST_F(SavingTest, ASlowDiskIsNoneThatHasStopped) {
  EXPECT_EQ(save_all({{"vdb", file("b"), write_slowly}}, none_has_stopped, kPatienceMs), "");
  EXPECT_TRUE(is_saved("b"));
}

TEST_F(SavingTest, WhatLiesOnNoDiskHasAName) {
  EXPECT_EQ(save_all({{"", "", wait_for_ever}}, vdb_has_stopped, kPatienceMs), "a file system");
}

TEST(Saving, NoDeviceNoStop) { EXPECT_FALSE(has_stopped("vd-that-there-is-not")); }

}  // namespace
}  // namespace cloche::init
