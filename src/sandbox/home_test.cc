#include "sandbox/home.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/private_files.h"
#include "sandbox/event_log.h"
#include "sandbox/life.h"

namespace cloche::sandbox {
namespace {

class HomeTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/cloche-home-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    top_ = path;
    ::setenv("XDG_RUNTIME_DIR", top_.c_str(), 1);
    auto home = Home::open(top_ + "/a/b");
    ASSERT_TRUE(home) << home.error().message();
    home_.emplace(std::move(*home));
  }
  void TearDown() override { std::filesystem::remove_all(top_); }

  Result<void> add(const std::string& id, const std::string& name) {
    Record record{.id = id};
    record.config.name = name;
    auto lock = home_->lock();
    return lock ? home_->add(record) : std::unexpected(lock.error());
  }
  void write_state(const std::string& id, const State& state) {
    std::string text = encode(state);
    ASSERT_TRUE(write_private_file(home_->directory(id) + "/" + kStateFile, std::as_bytes(std::span(text))));
  }

  std::string top_;
  std::optional<Home> home_;
};

TEST_F(HomeTest, IsPrivate) {
  struct stat status{};
  ASSERT_EQ(::stat((top_ + "/a/b/sandboxes").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700u);
  ::chmod((top_ + "/a/b/sandboxes").c_str(), 0755);
  auto open = Home::open(top_ + "/a/b");
  ASSERT_FALSE(open);
  EXPECT_EQ(open.error().code, ErrorCode::kPermission);
}

TEST_F(HomeTest, ASandboxIsFoundByNameIdAndBeginning) {
  ASSERT_TRUE(add("0123456789ab", "one"));
  ASSERT_TRUE(add("0123ffffffff", "two"));
  EXPECT_EQ(home_->find("one").value(), "0123456789ab");
  EXPECT_EQ(home_->find("0123456789ab").value(), "0123456789ab");
  EXPECT_EQ(home_->find("01234").value(), "0123456789ab");
  EXPECT_EQ(home_->find("0123").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(home_->find("three").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(home_->find("").error().code, ErrorCode::kNotFound);
  // A name wins over the beginning of an id.
  ASSERT_TRUE(add("ffffffffffff", "01234"));
  EXPECT_EQ(home_->find("01234").value(), "ffffffffffff");
}

TEST_F(HomeTest, ANameIsTakenOnce) {
  ASSERT_TRUE(add("000000000001", "one"));
  auto again = add("000000000002", "one");
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().what.find("000000000001"), std::string::npos);
  EXPECT_EQ(home_->ids().value().size(), 1u);
  ASSERT_TRUE(home_->remove("000000000001"));
  EXPECT_TRUE(add("000000000002", "one"));
  EXPECT_EQ(home_->remove("000000000001").error().code, ErrorCode::kNotFound);
}

TEST_F(HomeTest, WhatWasLeftHalfDoneGoes) {
  std::filesystem::create_directory(home_->directory(".new-000000000009"));
  std::filesystem::create_directories(home_->directory(".gone-000000000008") + "/deep");
  EXPECT_TRUE(home_->ids().value().empty());
  ASSERT_TRUE(add("000000000001", "one"));
  EXPECT_FALSE(std::filesystem::exists(home_->directory(".new-000000000009")));
  EXPECT_FALSE(std::filesystem::exists(home_->directory(".gone-000000000008")));
}

TEST_F(HomeTest, ALiveStateWithoutALifeIsACrash) {
  ASSERT_TRUE(add("000000000001", "one"));
  EXPECT_EQ(home_->info("000000000001")->status, Status::kCreated);
  auto run = home_->make_run_directory("000000000001");
  ASSERT_TRUE(run) << run.error().message();
  write_state("000000000001", {.status = Status::kRunning, .pid = 77});
  {
    auto life = take_life(home_->run_directory("000000000001"));
    ASSERT_TRUE(life) << life.error().message();
    EXPECT_EQ(take_life(*run).error().code, ErrorCode::kUnavailable);
    EXPECT_TRUE(is_alive(*run));
    auto info = home_->info("000000000001");
    EXPECT_EQ(info->status, Status::kRunning);
    EXPECT_EQ(info->pid, 77);
  }
  EXPECT_FALSE(is_alive(*run));
  auto info = home_->info("000000000001");
  EXPECT_EQ(info->status, Status::kCrashed);
  EXPECT_EQ(info->pid, 0);
  write_state("000000000001", {.status = Status::kExited, .exit_code = 3});
  EXPECT_EQ(home_->info("000000000001")->exit_code, 3);
  ASSERT_TRUE(home_->remove("000000000001"));
  EXPECT_FALSE(std::filesystem::exists(*run));
}

TEST_F(HomeTest, ADamagedSandboxSaysWhichItIs) {
  ASSERT_TRUE(add("000000000001", "one"));
  std::string nonsense = "{";
  std::string path = home_->directory("000000000001") + "/" + kRecordFile;
  ASSERT_TRUE(write_private_file(path, std::as_bytes(std::span(nonsense))));
  auto info = home_->info("000000000001");
  ASSERT_FALSE(info);
  EXPECT_NE(info.error().what.find("000000000001"), std::string::npos);
  EXPECT_TRUE(add("000000000002", "two"));
  EXPECT_EQ(home_->find("000000000001").value(), "000000000001");
}

TEST(Names, AreLettersAndDigits) {
  for (const char* good : {"a", "A-b_c.9", "0"}) EXPECT_TRUE(check_name(good)) << good;
  for (const char* bad : {"", "-a", ".a", "a b", "a/b", "a:b", "\xc3\xb6"}) EXPECT_FALSE(check_name(bad)) << bad;
  EXPECT_TRUE(check_name(std::string(64, 'a')));
  EXPECT_FALSE(check_name(std::string(65, 'a')));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(check_name(make_name()));
  EXPECT_EQ(make_id().size(), 12u);
  EXPECT_NE(make_id(), make_id());
}

TEST_F(HomeTest, ACrashIsAnEventOnce) {
  ASSERT_TRUE(add("000000000001", "one"));
  for (uint64_t life : {1, 2}) {
    write_state("000000000001", {.status = Status::kRunning, .pid = 1, .started_ns = life});
    for (int i = 0; i < 3; ++i) EXPECT_EQ(home_->info("000000000001")->status, Status::kCrashed);
  }
  std::string text = read_text_file(EventLog(home_->path()).path()).value();
  EXPECT_EQ(std::ranges::count(text, '\n'), 2);
  auto event = decode_event(text.substr(0, text.find('\n')));
  ASSERT_TRUE(event) << text;
  EXPECT_EQ(event->kind, "crashed");
  EXPECT_EQ(event->name, "one");
  EXPECT_NE(event->details["reason"].find("killed"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(home_->directory("000000000001") + "/crashed-1"));
}

}  // namespace
}  // namespace cloche::sandbox
