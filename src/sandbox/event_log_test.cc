#include "sandbox/event_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

namespace cloche::sandbox {
namespace {

class EventLogTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/cloche-events-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    top_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(top_); }

  std::vector<std::string> lines(const std::string& path) {
    std::vector<std::string> found;
    std::string text = read_text_file(path, 64 << 20).value_or("");
    for (size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
      found.push_back(text.substr(at, end - at));
    EXPECT_TRUE(text.empty() || text.ends_with('\n'));
    return found;
  }

  std::string top_;
};

TEST_F(EventLogTest, AnEventComesBack) {
  Event event{.time_ns = 1'234'567'890'000'000'007,
              .id = "0123456789ab",
              .name = "box",
              .kind = "failed",
              .details = {{"reason", "a \"quoted\" \\ one, k\xc3\xb6ln"}, {"n", ""}}};
  auto read = decode_event(encode(event));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->time_ns, event.time_ns);
  EXPECT_EQ(read->id, event.id);
  EXPECT_EQ(read->name, event.name);
  EXPECT_EQ(read->kind, event.kind);
  EXPECT_EQ(read->details, event.details);
}

TEST_F(EventLogTest, WhatAGuestSaidCannotBreakALine) {
  Event event{.time_ns = 1, .id = "i", .name = "n", .kind = "failed", .details = {}};
  event.details["reason"] = std::string("\n{\"time\": \"x\"}\x1b[31m\0\xff", 22) + std::string(100'000, 'x');
  for (int i = 0; i < 100; ++i) event.details[std::to_string(i)] = std::string(600, '\xff');
  std::string line = encode(event);
  EXPECT_LT(line.size(), 64u << 10);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(line.find('\x1b'), std::string::npos);
  auto read = decode_event(line);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->id, "i");
  // A cut is between characters.
  event.details = {{"reason", std::string(EventLog::kMostDetail - 1, 'x') + "\xc3\xb6"}};
  EXPECT_EQ(decode_event(encode(event))->details["reason"], std::string(EventLog::kMostDetail - 1, 'x') + "...");
}

TEST_F(EventLogTest, WhatIsNoEventIsRefused) {
  std::string line = encode({.time_ns = 1, .id = "i", .name = "n", .kind = "ready", .details = {{"a", "b"}}});
  for (size_t size = 0; size < line.size(); ++size) EXPECT_FALSE(decode_event(line.substr(0, size))) << size;
  // A line that ran into one that a full disk cut short.
  EXPECT_TRUE(decode_event(line.substr(0, 40) + line));
  for (const char* bad : {"[]", "3", "{\"time\": 1}", "{\"time\": \"now\"}", "{\"time\": \"2026-11-25T09:08:07.1Z\"}"})
    EXPECT_FALSE(decode_event(bad)) << bad;
}

TEST_F(EventLogTest, ProcessesAppendAtOnce) {
  constexpr int kProcesses = 8, kEach = 200;
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      EventLog log(top_, 1 << 20);
      for (int i = 0; i < kEach; ++i)
        if (!log.append({.id = std::to_string(process),
                         .name = std::string(200, static_cast<char>('a' + process)),
                         .kind = std::to_string(i)}))
          ::_exit(1);
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  std::vector<int> seen(kProcesses);
  for (const std::string& line : lines(EventLog(top_).path())) {
    auto event = decode_event(line);
    ASSERT_TRUE(event) << line;
    auto process = static_cast<size_t>(std::stoi(event->id));
    EXPECT_EQ(event->kind, std::to_string(seen.at(process)++)) << "out of order";
  }
  EXPECT_EQ(seen, std::vector<int>(kProcesses, kEach));
}

TEST_F(EventLogTest, TheFilesAreBounded) {
  constexpr uint64_t kMost = 4000;
  EventLog log(top_, kMost);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(log.append({.id = "i", .name = "n", .kind = std::to_string(i)}));
  std::vector<std::string> all;
  for (uint32_t number = EventLog::kFiles; number-- > 0;) {
    if (std::filesystem::exists(log.path(number))) {
      EXPECT_LE(std::filesystem::file_size(log.path(number)), kMost + 200);
    }
    for (std::string& line : lines(log.path(number))) all.push_back(std::move(line));
  }
  EXPECT_FALSE(std::filesystem::exists(log.path(EventLog::kFiles)));
  ASSERT_GT(all.size(), 50u);
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(decode_event(all[i])->kind, std::to_string(1000 - all.size() + i));
}

TEST_F(EventLogTest, RotatingIsOneProcessesWork) {
  EventLog log(top_, 300);
  // While another one has the lock, a full file is gone on with, and nothing is lost.
  Fd held = std::move(open_file(top_ + "/" + EventLog::kLock, O_RDWR | O_CREAT, 0600).value());
  struct flock whole{};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  ASSERT_EQ(::fcntl(held.get(), F_OFD_SETLK, &whole), 0);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(log.append({.id = "i", .name = "n", .kind = "ready"}));
  EXPECT_EQ(lines(log.path()).size(), 20u);
  held.reset();
  ASSERT_TRUE(log.append({.id = "i", .name = "n", .kind = "ready"}));
  EXPECT_EQ(lines(log.path(1)).size(), 21u);
  EXPECT_FALSE(std::filesystem::exists(log.path()));
}

}  // namespace
}  // namespace cloche::sandbox
