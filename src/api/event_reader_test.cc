// EventReader of cloche/events.h: what it reads, from when on, and through rotation.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "cloche/events.h"
#include "sandbox/event_log.h"
#include "sandbox/home.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;

class EventReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/cloche-events-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    top_ = std::string(path) + "/home";
    ASSERT_TRUE(sandbox::Home::open(top_));
  }
  void TearDown() override { std::filesystem::remove_all(std::filesystem::path(top_).parent_path()); }
  EventReader open(EventsFrom from = EventsFrom::kOldest) { return std::move(EventReader::open(top_, from).value()); }
  void tell(const std::string& kind, uint64_t most = 1 << 20) {
    ASSERT_TRUE(sandbox::EventLog(top_, most).append({.id = "i", .name = "n", .kind = kind}));
  }

  std::string top_;
};

TEST_F(EventReaderTest, FollowsThroughRotation) {
  EventReader reader = open();
  EXPECT_FALSE(reader.next().value());
  for (int i = 0; i < 200; ++i) {
    tell(std::to_string(i), 500);
    auto event = reader.next(10s).value();
    ASSERT_TRUE(event);
    EXPECT_EQ(event->kind, std::to_string(i));
    EXPECT_GT(event->time_ns, 0u);
  }
  EXPECT_FALSE(reader.next().value());
}

TEST_F(EventReaderTest, FromNowOn) {
  tell("old");
  EventReader reader = open(EventsFrom::kNow);
  EXPECT_FALSE(reader.next(10ms).value());
  std::thread later([this] { tell("new"); });
  EXPECT_EQ(reader.next(10s).value()->kind, "new");
  later.join();
  EXPECT_EQ(open().next().value()->kind, "old");
}

TEST_F(EventReaderTest, WhatIsNoEventIsLeftOut) {
  std::ofstream(sandbox::EventLog(top_).path(), std::ios::app) << "garbage\n\n{}\n" << std::string(200'000, 'x');
  tell("lost in the line that has no end");
  tell("good");
  EventReader reader = open();
  std::optional<Event> last;
  while (auto event = reader.next().value()) last = std::move(event);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->kind, "good");
}

TEST_F(EventReaderTest, WhatIsLateInARotatedFileIsRead) {
  tell("one");
  EventReader reader = open();
  EXPECT_EQ(reader.next().value()->kind, "one");
  std::ofstream late(sandbox::EventLog(top_).path(), std::ios::app);
  tell("two", 1);  // And rotated.
  EXPECT_EQ(reader.next().value()->kind, "two");
  late << sandbox::encode(Event{.time_ns = 1, .id = "i", .name = "n", .kind = "late"}) << std::endl;
  tell("three");
  EXPECT_EQ(reader.next().value()->kind, "late");
  EXPECT_EQ(reader.next().value()->kind, "three");
}

TEST_F(EventReaderTest, ACrashIsFound) {
  sandbox::Home home = std::move(sandbox::Home::open(top_).value());
  sandbox::Record record{.id = "0123456789ab"};
  record.config.name = "box";
  ASSERT_TRUE(home.add(record));
  std::ofstream(home.directory(record.id) + "/" + sandbox::kStateFile)
      << sandbox::encode(sandbox::State{.status = SandboxStatus::kRunning, .pid = 1, .started_ns = 5});
  EventReader reader = open();
  auto event = reader.next().value();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, "crashed");
  EXPECT_EQ(event->name, "box");
}

}  // namespace
}  // namespace cloche
