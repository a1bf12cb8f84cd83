#include "wire/agent.h"

#include <gtest/gtest.h>

#include <random>

namespace cloche::wire {
namespace {

std::span<const std::byte> payload_of(const std::vector<std::byte>& frame, AgentFrame type) {
  FrameHeader header;
  EXPECT_TRUE(decode_header(std::span(frame).first(FrameHeader::kSize), header));
  EXPECT_EQ(static_cast<AgentFrame>(header.type), type);
  EXPECT_EQ(header.payload_size, frame.size() - FrameHeader::kSize);
  return std::span(frame).subspan(FrameHeader::kSize);
}

// It comes back with the same bytes, and whatever is cut off or added is refused.
template <typename Message>
Message round_trip(AgentFrame type, const Message& message) {
  auto frame = encode(type, message);
  auto payload = payload_of(frame, type);
  Message back;
  EXPECT_TRUE(decode_message(payload, back));
  EXPECT_EQ(encode(type, back), frame);
  for (size_t size = 0; size < payload.size(); ++size) {
    // On the heap and of that size, so that a sanitizer sees one byte too many being read.
    std::vector<std::byte> cut(payload.begin(), payload.begin() + static_cast<ptrdiff_t>(size));
    Message other;
    EXPECT_FALSE(decode_message(cut, other)) << size;
  }
  std::vector<std::byte> longer(payload.begin(), payload.end());
  longer.push_back(std::byte{0});
  Message other;
  EXPECT_FALSE(decode_message(longer, other));
  return back;
}

Exec full_exec() {
  return {.arguments = {"sh", "", std::string("a\0b", 3)},
          .environment = {"PATH=/bin"},
          .working_directory = "/work",
          .uid = 1000,
          .gid = 4'294'967'294u,
          .limits = {{7, 1024, UINT64_MAX}},
          .streams = Streams::kTerminal,
          .has_input = true,
          .rows = 50,
          .columns = 65535,
          .timeout_ms = 1000,
          .grace_ms = 200};
}

FileStatus full_status() {
  return {.name = "n\n",
          .mode = 0120777,
          .uid = 1,
          .gid = 2,
          .size = UINT64_MAX,
          .links = 3,
          .inode = 4,
          .modified_ns = 5,
          .target = "t"};
}

TEST(AgentWire, ExecComesBack) {
  Exec back = round_trip(AgentFrame::kExec, full_exec());
  EXPECT_EQ(back.arguments, full_exec().arguments);
  EXPECT_EQ(back.limits.at(0).hard, UINT64_MAX);
  EXPECT_EQ(back.columns, 65535);
  EXPECT_EQ(back.grace_ms, 200u);
  EXPECT_TRUE(back.has_input);
}

TEST(AgentWire, EveryOtherMessageComesBack) {
  EXPECT_EQ(round_trip(AgentFrame::kWelcome, Welcome{.uptime_ns = 7}).uptime_ns, 7u);
  EXPECT_TRUE(round_trip(AgentFrame::kEnded, ExecEnded{ExitKind::kSignaled, 9, "w", true}).timed_out);
  EXPECT_EQ(round_trip(AgentFrame::kError, AgentError{-1, "open x"}).sys_errno, -1);
  EXPECT_EQ(round_trip(AgentFrame::kReadFile, FileRange{"/a", 3, 4}).size, 4u);
  EXPECT_EQ(round_trip(AgentFrame::kWriteFile, WriteFile{"/a", WriteMode::kCreate, 0600, 1, 2}).mode, 0600u);
  EXPECT_EQ(round_trip(AgentFrame::kStatusIs, full_status()).target, "t");
  EXPECT_EQ(round_trip(AgentFrame::kListIs, FileList{{full_status(), {}}}).entries.at(0).name, "n\n");
  EXPECT_TRUE(round_trip(AgentFrame::kMakeDirectory, MakeDirectory{"/a", 0700, true}).parents);
  EXPECT_EQ(round_trip(AgentFrame::kMove, Move{"/a", "/b"}).to, "/b");
  EXPECT_TRUE(round_trip(AgentFrame::kRemove, Remove{"/a", true}).recursive);
  EXPECT_TRUE(round_trip(AgentFrame::kPack, Pack{"/a", true}).one_file_system);
  EXPECT_EQ(round_trip(AgentFrame::kUnpack, Unpack{"/a", "b", true, 1, 2}).gid, 2u);
  EXPECT_EQ(round_trip(AgentFrame::kMount, Mount{"t", "/m", true, false}).path, "/m");
  Statistics statistics{.uptime_ns = 1, .processes = {{.pid = 7, .state = 'R', .command = "sh -c x"}, {}}};
  EXPECT_EQ(round_trip(AgentFrame::kStatisticsAre, statistics).processes.at(0).command, "sh -c x");
}

TEST(AgentWire, NoAnswerHoldsWhatItMustNot) {
  Exec exec = full_exec();
  exec.arguments.clear();
  EXPECT_FALSE(decode_message(payload_of(encode(AgentFrame::kExec, exec), AgentFrame::kExec), exec));
  exec = full_exec();
  exec.streams = static_cast<Streams>(2);
  EXPECT_FALSE(decode_message(payload_of(encode(AgentFrame::kExec, exec), AgentFrame::kExec), exec));
  ExecEnded ended;
  ended.kind = static_cast<ExitKind>(5);
  EXPECT_FALSE(decode_message(payload_of(encode(AgentFrame::kEnded, ended), AgentFrame::kEnded), ended));
}

// A count that the rest cannot hold makes no room for that many.
TEST(AgentWire, ALongListOfNothingIsRefused) {
  Writer to;
  to.put(uint32_t{1'000'000});
  to.bytes().resize(1'000'000);
  FileList list;
  EXPECT_FALSE(decode_message(to.bytes(), list));
  EXPECT_TRUE(list.entries.empty());
}

TEST(AgentWire, ListsTakeAtLeastWhatIsHeldAgainstTheirCount) {
  FileList list{std::vector<FileStatus>(100)};
  EXPECT_EQ(round_trip(AgentFrame::kListIs, list).entries.size(), 100u);
  Statistics statistics{.processes = std::vector<ProcessStatistics>(50)};
  EXPECT_EQ(round_trip(AgentFrame::kStatisticsAre, statistics).processes.size(), 50u);
}

TEST(AgentWire, RandomBytesAreNoMessageOrOne) {
  std::mt19937 random(1);
  for (int run = 0; run < 2000; ++run) {
    std::vector<std::byte> bytes(random() % 200);
    for (std::byte& each : bytes) each = static_cast<std::byte>(random() % 4 == 0 ? random() : 0);
    Exec exec;
    Statistics statistics;
    FileList list;
    decode_message(bytes, exec);
    decode_message(bytes, list);
    decode_message(bytes, statistics);
  }
}

TEST(AgentWire, NumbersAreOfTheirWidth) {
  auto frame = encode_number(AgentFrame::kShutDown, 5);
  uint32_t narrow = 0;
  uint64_t wide = 0;
  EXPECT_TRUE(decode_number(payload_of(frame, AgentFrame::kShutDown), narrow));
  EXPECT_EQ(narrow, 5u);
  EXPECT_FALSE(decode_number(payload_of(frame, AgentFrame::kShutDown), wide));
  frame = encode_number(AgentFrame::kSetClock, UINT64_MAX);
  EXPECT_TRUE(decode_number(payload_of(frame, AgentFrame::kSetClock), wide));
  EXPECT_EQ(wide, UINT64_MAX);
}

}  // namespace
}  // namespace cloche::wire
