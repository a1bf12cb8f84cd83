#include "carrier/state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "base/private_files.h"
#include "carrier/protocol.h"

namespace cloche::carrier {
namespace {

class StateTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/carrier-state-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    parent_ = path;
    base_ = parent_ + "/cloche";
  }
  void TearDown() override { std::filesystem::remove_all(parent_); }

  StateDirectory open(Kind kind = Kind::kNormal) { return StateDirectory::open_below(base_, kind).value(); }

  // Runs `work` in a process of its own, which then sleeps; the process.
  template <typename Work>
  pid_t in_process(Work work) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    pid_t pid = ::fork();
    if (pid == 0) {
      bool done = work();
      (void)!::write(ends[1], &done, sizeof done);
      for (;;) ::pause();
    }
    bool done = false;
    EXPECT_EQ(::read(ends[0], &done, sizeof done), 1);
    EXPECT_TRUE(done);
    ::close(ends[0]);
    ::close(ends[1]);
    return pid;
  }
  static void kill_and_reap(pid_t pid) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  static void write_text(const std::string& path, std::string_view text) {
    ASSERT_TRUE(write_private_file(path, std::as_bytes(std::span(text))));
  }

  std::string parent_, base_;
};

TEST_F(StateTest, MakesPrivateDirectoriesOnePerKind) {
  auto normal = open(), icount = open(Kind::kIcount);
  EXPECT_NE(normal.path("lock"), icount.path("lock"));
  struct stat found{};
  ASSERT_EQ(::stat((base_ + "/machine").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0700U);
}

TEST_F(StateTest, RefusesADirectoryOpenToOthers) {
  open();
  ASSERT_EQ(::chmod((base_ + "/machine").c_str(), 0755), 0);
  auto opened = StateDirectory::open_below(base_, Kind::kNormal);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kPermission);
  ASSERT_EQ(::chmod((base_ + "/machine").c_str(), 0700), 0);
  ASSERT_EQ(::chmod(base_.c_str(), 0777), 0);
  EXPECT_FALSE(StateDirectory::open_below(base_, Kind::kNormal).has_value());
}

TEST_F(StateTest, RefusesASymbolicLink) {
  std::filesystem::create_directory(parent_ + "/elsewhere");
  std::filesystem::create_symlink(parent_ + "/elsewhere", base_);
  auto opened = StateDirectory::open_below(base_, Kind::kNormal);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kPermission);
}

TEST_F(StateTest, RefusesAnotherUsersDirectory) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can make a directory that belongs to another";
  std::filesystem::create_directory(base_);
  ASSERT_EQ(::chown(base_.c_str(), 12345, 12345), 0);
  auto opened = StateDirectory::open_below(base_, Kind::kNormal);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kPermission);
}

TEST_F(StateTest, LockIsHeldByOneAndFreedByItsDeath) {
  auto state = open();
  pid_t holder = in_process([&] {
    auto held = state.try_lock();
    if (!held || !*held) return false;
    (*held)->release();
    return true;
  });
  auto meanwhile = state.try_lock();
  ASSERT_TRUE(meanwhile.has_value());
  EXPECT_FALSE(meanwhile->has_value());
  kill_and_reap(holder);
  auto after = state.try_lock();
  ASSERT_TRUE(after.has_value());
  EXPECT_TRUE(after->has_value());
}

TEST_F(StateTest, LifeIsToldByTheLockAndNotByTheRecord) {
  auto state = open();
  EXPECT_FALSE(state.alive());
  // A record of a process that lives, but is no machine: what a SIGKILLed QEMU leaves when its number is used again.
  write_text(state.path("record"), encode(Record{::getpid(), 4000, 1024}));
  EXPECT_FALSE(state.alive());
  pid_t machine = in_process([&] {
    auto life = state.take_life();
    if (!life) return false;
    life->release();
    return true;
  });
  EXPECT_TRUE(state.alive());
  EXPECT_TRUE(state.alive()) << "looking must not take it";
  auto second = state.take_life();
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  kill_and_reap(machine);
  EXPECT_FALSE(state.alive());
  EXPECT_TRUE(state.take_life().has_value());
}

TEST_F(StateTest, RecordRoundTripsAndDamageIsNoRecord) {
  auto state = open();
  EXPECT_FALSE(state.record().has_value());
  write_text(state.path("record"), encode(Record{4242, 40'000, 8192}));
  auto record = state.record();
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->pid, 4242);
  EXPECT_EQ(record->port, 40'000);
  EXPECT_EQ(record->memory_mib, 8192U);
  for (const char* damaged : {"", "1 2 3\n", "42", "42 99999 1\n", "-5 1 1\n", "a b c\n", "42 1 1", "0 0 0\n"})
    EXPECT_FALSE(decode_record(damaged).has_value()) << damaged;
}

TEST_F(StateTest, TokenIsNewEachTimeAndPrivate) {
  auto state = open();
  EXPECT_FALSE(state.token().has_value());
  ASSERT_TRUE(state.make_token());
  std::string first = state.token().value();
  EXPECT_EQ(first.size(), kTokenBytes);
  struct stat found{};
  ASSERT_EQ(::stat(state.path("token").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
  ASSERT_TRUE(state.make_token());
  EXPECT_NE(state.token().value(), first);
}

TEST_F(StateTest, ReadyAndLastWordsComeFromTheConsole) {
  auto state = open();
  EXPECT_FALSE(state.ready());
  write_text(state.path("console.log"), "kvm: hello\ncloche-machine: re");
  EXPECT_FALSE(state.ready());
  write_text(state.path("console.log"), "kvm: hello\ncloche-machine: ready\r\n\x1b[31mred\n");
  EXPECT_TRUE(state.ready());
  EXPECT_EQ(state.last_words(), "; its last words:\nkvm: hello\ncloche-machine: ready\n[31mred");
  write_text(state.path("console.log"), fmt::format("{:x>10000}\nlast\n", ""));
  EXPECT_EQ(state.last_words(), "; its last words:\nlast");
}

}  // namespace
}  // namespace cloche::carrier
