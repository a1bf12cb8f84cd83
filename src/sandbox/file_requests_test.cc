// The host's side of requests about files, against an agent that is played: one that does as it should, and one that
// is hostile.
#include "sandbox/file_requests.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <future>

namespace cloche::sandbox {
namespace {

using wire::AgentFrame;

wire::FileStatus entry(std::string name, std::string target = {}) {
  return {.name = std::move(name), .target = std::move(target)};
}

class FileRequestsTest : public testing::Test {
 protected:
  void SetUp() override { connect(std::chrono::seconds(10)); }
  void connect(std::chrono::milliseconds patience) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    guest_.emplace(Peer(Fd(ends[0])), patience);
    agent_.emplace(Fd(ends[1]));
  }
  void say(std::span<const std::byte> frame) { ASSERT_TRUE(agent_->send(frame)); }
  void say_data(std::string_view text) { say(wire::encode_text(AgentFrame::kData, text)); }
  void say_done() { say(wire::encode_bytes(AgentFrame::kDone, {})); }
  void say_error(int number, const std::string& what) {
    say(wire::encode(AgentFrame::kError, wire::AgentError{number, what}));
  }
  Result<std::string> read(uint64_t size = UINT64_MAX) {
    std::string text;
    auto got = read_file(*guest_, {"/f", 0, size}, [&](std::span<const std::byte> bytes) -> Result<void> {
      text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return {};
    });
    if (!got) return std::unexpected(got.error());
    EXPECT_EQ(*got, text.size());
    return text;
  }
  Result<void> write(std::string text) {
    return write_file(*guest_, {.path = "/f"}, [&]() -> Result<std::span<const std::byte>> {
      given_ = std::exchange(text, {});
      return std::as_bytes(std::span(given_));
    });
  }
  void list(std::vector<wire::FileStatus> entries) {
    say(wire::encode(AgentFrame::kListIs, wire::FileList{std::move(entries)}));
  }

  std::optional<Conversation> guest_;
  std::optional<Peer> agent_;
  std::string given_;
};

TEST_F(FileRequestsTest, AFileIsReadToItsEnd) {
  say_data("one ");
  say_data("two");
  say_data("");
  say_done();
  EXPECT_EQ(read().value(), "one two");
  auto asked = agent_->receive().value();
  wire::FileRange range;
  ASSERT_TRUE(asked && wire::decode_message(asked->payload, range));
  EXPECT_EQ(range.path, "/f");
  // The same conversation serves the next one.
  say_data("");
  say_done();
  EXPECT_EQ(read().value(), "");
}

TEST_F(FileRequestsTest, AnErrorHasTheGuestsErrnoAndIsPrintable) {
  say_error(ENOENT, "open /f\x1b[2J");
  auto missing = read();
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(missing.error().sys_errno, ENOENT);
  EXPECT_EQ(missing.error().what, "in the guest: open /f\\x1b[2J");
  say_error(EACCES, "open /f");
  EXPECT_EQ(read().error().code, ErrorCode::kPermission);
  say_data("the disk ends here");
  say_error(EIO, "read /f");
  EXPECT_EQ(read().error().sys_errno, EIO);
  say_error(-5, "x");
  EXPECT_GE(read().error().sys_errno, 0);
}

TEST_F(FileRequestsTest, AGuestSendsNoMoreThanWasAskedFor) {
  say_data("abc");
  say_data("d");
  auto got = read(3);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, ErrorCode::kGuest);
}

TEST_F(FileRequestsTest, ATakerCanHaveEnough) {
  say_data("abc");
  auto got = read_file(*guest_, {"/f"}, [](std::span<const std::byte>) -> Result<void> {
    return fail(ErrorCode::kHost, "full", ENOSPC);
  });
  EXPECT_EQ(got.error().what, "full");
}

TEST_F(FileRequestsTest, WhatIsNoAnswerIsRefused) {
  say(wire::encode_text(AgentFrame::kOutput, "x"));
  EXPECT_EQ(read().error().code, ErrorCode::kGuest);
  say(wire::encode_text(AgentFrame::kStatusIs, "x"));
  EXPECT_EQ(file_status(*guest_, "/f").error().code, ErrorCode::kGuest);
  std::vector<std::byte> damaged = wire::encode_text(AgentFrame::kData, "x");
  damaged[6] = std::byte{1};
  say(damaged);
  EXPECT_EQ(read().error().code, ErrorCode::kGuest);
}

TEST_F(FileRequestsTest, AnAgentThatSaysNothingOrGoesIsNotWaitedFor) {
  connect(std::chrono::milliseconds(50));
  EXPECT_EQ(read().error().code, ErrorCode::kTimeout);
  agent_->close();
  EXPECT_EQ(read().error().code, ErrorCode::kHost);  // EPIPE: its end is closed.
}

TEST_F(FileRequestsTest, AFileIsWrittenInPiecesThatFit) {
  std::string text(3 * wire::kMaxDataBytes / 2, 'x');
  auto agent = std::async(std::launch::async, [&] {
    std::vector<size_t> sizes;
    agent_->receive().value();
    for (;;) {
      auto frame = agent_->receive().value();
      sizes.push_back(frame->payload.size());
      if (sizes.back() == 0) break;
    }
    say_done();
    return sizes;
  });
  EXPECT_TRUE(write(text));
  EXPECT_EQ(agent.get(), (std::vector<size_t>{wire::kMaxDataBytes, wire::kMaxDataBytes / 2, 0}));
}

TEST_F(FileRequestsTest, AnErrorInTheMiddleEndsTheWriting) {
  say_error(ENOSPC, "write /f");
  auto full = write("abc");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().sys_errno, ENOSPC);
  // And one who says that it was done before it was is no better.
  say_done();
  auto early = write("abc");
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, ErrorCode::kGuest);
}

TEST_F(FileRequestsTest, AGiversErrorIsTheResult) {
  auto result = write_file(*guest_, {.path = "/f"}, []() -> Result<std::span<const std::byte>> {
    return fail(ErrorCode::kHost, "its source is gone", EIO);
  });
  EXPECT_EQ(result.error().what, "its source is gone");
}

TEST_F(FileRequestsTest, AListComesInPieces) {
  list({entry("a"), entry("b", "/x")});
  list({entry(std::string(NAME_MAX, 'c'))});
  list({});
  auto all = list_directory(*guest_, "/");
  ASSERT_TRUE(all) << all.error().message();
  ASSERT_EQ(all->size(), 3u);
  EXPECT_EQ((*all)[1].target, "/x");
}

TEST_F(FileRequestsTest, NamesStayInTheirDirectory) {
  for (const std::string& name : {std::string("../x"), std::string(".."), std::string("."), std::string(),
                                  std::string("a\0b", 3), std::string(NAME_MAX + 1, 'x')}) {
    connect(std::chrono::seconds(10));
    list({entry("good"), entry(name)});
    EXPECT_EQ(list_directory(*guest_, "/").error().code, ErrorCode::kGuest) << name;
  }
  say(wire::encode(AgentFrame::kStatusIs, entry("/f", std::string(PATH_MAX, 'x'))));
  EXPECT_EQ(file_status(*guest_, "/f").error().code, ErrorCode::kGuest);
}

TEST_F(FileRequestsTest, AListHasAnEnd) {
  std::vector<wire::FileStatus> many(10'000, entry(std::string(NAME_MAX, 'x'), std::string(1024, 'y')));
  auto agent = std::async(std::launch::async, [&] {
    auto frame = wire::encode(AgentFrame::kListIs, wire::FileList{many});
    for (size_t i = 0; i * frame.size() < 2 * kMostListBytes; ++i)
      if (!agent_->send(frame)) break;  // It was given up.
  });
  auto list = list_directory(*guest_, "/big");
  ASSERT_FALSE(list);
  EXPECT_NE(list.error().what.find("/big"), std::string::npos);
  guest_.reset();
}

}  // namespace
}  // namespace cloche::sandbox
