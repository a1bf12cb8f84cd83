#include "guest/agent/serve.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "guest/agent/testing/host.h"

namespace cloche::agent {
namespace {

using testing::bytes_of;
using testing::Host;
using testing::text_of;
using wire::AgentFrame;

void expect_it_lives(Host& host) {
  host.send(wire::encode_text(AgentFrame::kPing, "there?"));
  EXPECT_EQ(text_of(host.expect(AgentFrame::kPong)), "there?");
}

std::vector<std::byte> raw_frame(uint32_t size, uint16_t type, uint16_t reserved) {
  wire::Writer to;
  to.put(size);
  to.put(type);
  to.put(reserved);
  return to.bytes();
}

TEST(Serve, AnUnknownTypeIsAnErrorAndNotTheEnd) {
  Host host;
  host.send(raw_frame(0, 9999, 0));
  EXPECT_EQ(host.expect_error().what, "a request of an unknown type");
  expect_it_lives(host);
}

TEST(Serve, ADamagedRequestIsAnErrorAndNotTheEnd) {
  Host host;
  for (AgentFrame type :
       {AgentFrame::kExec, AgentFrame::kReadFile, AgentFrame::kWriteFile, AgentFrame::kMakeDirectory, AgentFrame::kMove,
        AgentFrame::kRemove, AgentFrame::kMount, AgentFrame::kSetClock, AgentFrame::kShutDown}) {
    host.send(wire::encode_text(type, "x"));
    EXPECT_EQ(host.expect_error().sys_errno, EPROTO) << static_cast<int>(type);
  }
  expect_it_lives(host);
}

TEST(Serve, AFrameThatIsTooLongIsPassedOver) {
  Host host;
  uint32_t size = wire::kMaxFrameBytes + 1;
  host.send(raw_frame(size, static_cast<uint16_t>(AgentFrame::kPing), 0));
  std::vector<std::byte> part(1 << 20);
  for (size_t left = size; left > 0; left -= std::min(left, part.size())) {
    part.resize(std::min(left, part.size()));
    host.send(part);
  }
  EXPECT_EQ(host.expect_error().what, "a frame of more than 16 MiB");
  expect_it_lives(host);
}

TEST(Serve, ADamagedHeaderIsAnError) {
  Host host;
  host.send(raw_frame(3, static_cast<uint16_t>(AgentFrame::kPing), 1));
  host.send(bytes_of("abc"));
  EXPECT_EQ(host.expect_error().what, "a damaged frame");
  expect_it_lives(host);
}

TEST(Serve, TheLargestFrameIsTaken) {
  Host host;
  std::string text(wire::kMaxFrameBytes, 'x');
  host.send(wire::encode_text(AgentFrame::kPing, text));
  EXPECT_EQ(text_of(host.expect(AgentFrame::kPong)), text);
}

// Requests that change nothing outside of a test, with random payloads: each is answered, and the last as it should be.
TEST(Serve, RandomPayloadsAreAnswered) {
  Host host;
  std::mt19937 random(1);
  constexpr AgentFrame kTypes[] = {AgentFrame::kReadFile, AgentFrame::kStatus, AgentFrame::kWelcome,
                                   AgentFrame::kMount,    AgentFrame::kPong,   AgentFrame::kEnded};
  for (int run = 0; run < 500; ++run) {
    std::vector<std::byte> payload(random() % 64);
    for (std::byte& each : payload) each = static_cast<std::byte>(random() % 3 == 0 ? random() : 0);
    host.send(wire::encode_bytes(kTypes[random() % std::size(kTypes)], payload));
    host.expect(AgentFrame::kError);
  }
  expect_it_lives(host);
}

TEST(Serve, StatisticsNameThisProcessAndNotTheAgents) {
  Host host;
  host.send(wire::encode_bytes(AgentFrame::kStatistics, {}));
  wire::Statistics statistics;
  ASSERT_TRUE(wire::decode_message(host.expect(AgentFrame::kStatisticsAre), statistics));
  EXPECT_GT(statistics.uptime_ns, 0u);
  EXPECT_GT(statistics.memory_bytes, statistics.available_bytes);
  EXPECT_GT(statistics.user_ns, 0u);
  auto pid = static_cast<uint32_t>(::getpid());
  EXPECT_EQ(std::ranges::count(statistics.processes, pid, &wire::ProcessStatistics::pid), 0);
  auto parent = static_cast<uint32_t>(::getppid());
  auto found = std::ranges::find(statistics.processes, parent, &wire::ProcessStatistics::pid);
  if (parent == 1) return;
  ASSERT_NE(found, statistics.processes.end());
  EXPECT_GT(found->memory_bytes, 0u);
  EXPECT_FALSE(found->command.empty());
}

}  // namespace
}  // namespace cloche::agent
