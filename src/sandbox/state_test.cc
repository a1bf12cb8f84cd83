#include "sandbox/state.h"

#include <gtest/gtest.h>

namespace cloche::sandbox {
namespace {

TEST(State, ComesBack) {
  State state{.status = Status::kFailed,
              .pid = 77,
              .started_ns = 1,
              .ready_ns = 2,
              .finished_ns = UINT64_MAX,
              .exit_code = 3,
              .signal = 9,
              .reason = "a \"quoted\" \\ reason, k\xc3\xb6ln",
              .console_tail = "one\ntwo\t\n",
              .restarts = 4,
              .health = HealthStatus::kUnhealthy,
              .health_failures = 5,
              .health_output = "no \"answer\"\n"};
  std::string text = encode(state);
  auto read = decode_state(text);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(encode(*read), text);
  EXPECT_EQ(read->reason, state.reason);
  EXPECT_EQ(read->console_tail, state.console_tail);
  EXPECT_EQ(read->finished_ns, UINT64_MAX);
  EXPECT_EQ(read->restarts, 4u);
  EXPECT_EQ(read->health, HealthStatus::kUnhealthy);
  EXPECT_EQ(read->health_failures, 5u);
  EXPECT_EQ(read->health_output, state.health_output);
}

TEST(State, WhatIsNotOneIsRefused) {
  std::string text = encode(State{.status = Status::kRunning});
  for (size_t size = 0; size + 2 < text.size(); ++size) EXPECT_FALSE(decode_state(text.substr(0, size))) << size;
  std::string unknown = text;
  unknown.replace(unknown.find("running"), 7, "flying!");
  EXPECT_FALSE(decode_state(unknown));
  std::string ill = text;
  ill.replace(ill.find("\"none\""), 6, "\"well\"");
  EXPECT_FALSE(decode_state(ill));
  std::string newer = text;
  newer.replace(newer.find("\"version\": 1"), 12, "\"version\": 2");
  EXPECT_FALSE(decode_state(newer));
}

TEST(State, LiveOnesHaveAProcess) {
  EXPECT_FALSE(is_live(Status::kCreated));
  for (Status status : {Status::kStarting, Status::kRestarting, Status::kRunning, Status::kPaused, Status::kStopping})
    EXPECT_TRUE(is_live(status)) << name_of(status);
  for (Status status : {Status::kExited, Status::kStopped, Status::kFailed, Status::kCrashed})
    EXPECT_FALSE(is_live(status)) << name_of(status);
}

}  // namespace
}  // namespace cloche::sandbox
