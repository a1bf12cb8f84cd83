#include "vmm/audience.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <future>
#include <thread>

namespace cloche {
namespace {

using sandbox::Frame;
using sandbox::Peer;
using wire::AgentFrame;

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The loop runs on a thread of its own, as the sandbox's process would.
class AudienceTest : public testing::Test {
 protected:
  void SetUp() override {
    loop_ = std::move(EventLoop::create().value());
    make({.has_input = true});
    thread_ = std::thread([this] { ASSERT_TRUE(loop_->run()); });
  }
  void TearDown() override {
    loop_->stop();
    thread_.join();
    audience_.reset();
  }

  void make(Audience::Command command) {
    command.send = [this](std::span<const std::byte> frame) {
      sent_.queue(frame);
      EXPECT_TRUE(sent_.flush());
    };
    command.unsent = [this] { return unsent_; };
    audience_ = std::make_unique<Audience>(*loop_, std::move(command));
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    // The window's 256 KiB have to fit: the agent's end of it takes what it gave credit for.
    int size = 1 << 20;
    ASSERT_EQ(::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    sent_ = Peer(Fd(ends[0]));
    agent_ = Peer(Fd(ends[1]));
  }
  Peer join() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    loop_->call([&] { audience_->join(Fd(ends[0])); });
    return Peer(Fd(ends[1]));
  }
  void hear(AgentFrame type, std::string_view text) {
    loop_->call([&] { audience_->hear(type, std::as_bytes(std::span(text))); });
  }
  void give_credit(uint32_t count) {
    std::vector<std::byte> frame = wire::encode_number(AgentFrame::kInputTaken, count);
    loop_->call([&] {
      audience_->hear(AgentFrame::kInputTaken, std::span<const std::byte>(frame).subspan(wire::FrameHeader::kSize));
    });
  }
  // The next frame within 10 seconds, which is of `type`.
  static std::string expect(Peer& peer, AgentFrame type) {
    for (;;) {
      if (auto frame = peer.next()) {
        EXPECT_EQ(static_cast<int>(frame->type), static_cast<int>(type));
        return text_of(frame->payload);
      }
      pollfd wait{peer.fd(), POLLIN, 0};
      if (::poll(&wait, 1, 10'000) != 1 || !peer.fill().value_or(false)) break;
    }
    ADD_FAILURE() << "no frame";
    return {};
  }
  static bool is_closed(Peer& peer) {
    pollfd wait{peer.fd(), POLLIN, 0};
    while (::poll(&wait, 1, 10'000) == 1)
      if (!peer.fill().value_or(false)) return true;
    return false;
  }
  static void type(Peer& peer, std::string_view text) {
    ASSERT_TRUE(peer.send(wire::encode_text(AgentFrame::kInput, text)));
  }
  // Waits until as many are there.
  bool has(size_t count) {
    for (int i = 0; i < 1000; ++i) {
      size_t now = 0;
      loop_->call([&] { now = audience_->size(); });
      if (now == count) return true;
      ::poll(nullptr, 0, 10);
    }
    return false;
  }

  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Audience> audience_;
  Peer sent_{Fd()}, agent_{Fd()};
  size_t unsent_ = 0;
  std::thread thread_;
};

TEST_F(AudienceTest, AllHearWhatComesFromNowOn) {
  Peer one = join();
  hear(AgentFrame::kOutput, "first");
  Peer two = join();
  hear(AgentFrame::kErrorOutput, "second");
  EXPECT_EQ(expect(one, AgentFrame::kOutput), "first");
  EXPECT_EQ(expect(one, AgentFrame::kErrorOutput), "second");
  EXPECT_EQ(expect(two, AgentFrame::kErrorOutput), "second");
  // What is not about the command's streams is not for them.
  hear(AgentFrame::kPong, "x");
  hear(AgentFrame::kEnded, "its end");
  hear(AgentFrame::kOutput, "and more");
  for (Peer* each : {&one, &two}) EXPECT_EQ(expect(*each, AgentFrame::kEnded), "its end");
  loop_->call([&] { audience_->finish(EventLoop::Clock::now()); });
  EXPECT_FALSE(one.next());
}

TEST_F(AudienceTest, AllCanTypeAndGetCreditForIt) {
  Peer one = join(), two = join();
  type(one, "from one");
  EXPECT_EQ(expect(agent_, AgentFrame::kInput), "from one");
  type(two, "from two");
  EXPECT_EQ(expect(agent_, AgentFrame::kInput), "from two");
  uint32_t credit = 0;
  std::string taken = expect(one, AgentFrame::kInputTaken);
  ASSERT_TRUE(wire::decode_number(std::as_bytes(std::span(taken)), credit));
  EXPECT_EQ(credit, 8u);
  ASSERT_TRUE(one.send(wire::encode_number(AgentFrame::kSignal, 15)));
  EXPECT_EQ(expect(agent_, AgentFrame::kSignal), std::string("\x0f\0\0\0", 4));
  ASSERT_TRUE(two.send(wire::encode_size(3, 4)));
  EXPECT_EQ(expect(agent_, AgentFrame::kResize), std::string("\3\0\4\0", 4));
  // Who goes takes nothing with him; what he had typed arrives.
  type(one, "last");
  one.close();
  EXPECT_EQ(expect(agent_, AgentFrame::kInput), "last");
  EXPECT_TRUE(has(1));
  // The end is for all.
  type(two, "");
  EXPECT_EQ(expect(agent_, AgentFrame::kInput), "");
  Peer late = join();
  type(late, "too late");
  expect(late, AgentFrame::kInputTaken);
  EXPECT_TRUE(agent_.fill().value());
  EXPECT_FALSE(agent_.next());
}

TEST_F(AudienceTest, InputWaitsForTheCommand) {
  Peer one = join(), two = join();
  std::string piece(wire::kMaxDataBytes, 'a');
  size_t pieces = wire::kInputWindow / piece.size();
  for (size_t i = 0; i < pieces; ++i) {
    type(one, piece);
    EXPECT_EQ(expect(agent_, AgentFrame::kInput).size(), piece.size());
  }
  // The agent's window is spent: signals pass, input waits.
  type(two, "waiting");
  ASSERT_TRUE(two.send(wire::encode_number(AgentFrame::kSignal, 2)));
  EXPECT_EQ(expect(agent_, AgentFrame::kSignal), std::string("\2\0\0\0", 4));
  give_credit(3);
  EXPECT_EQ(expect(agent_, AgentFrame::kInput), "wai");
  // A guest that gives more than it took gives no more than there is.
  give_credit(UINT32_MAX);
  EXPECT_EQ(expect(agent_, AgentFrame::kInput), "ting");
}

TEST_F(AudienceTest, WithoutInputWhatIsTypedIsDropped) {
  loop_->call([&] { make({.has_input = false}); });
  Peer one = join();
  type(one, "for nobody");
  expect(one, AgentFrame::kInputTaken);
  ASSERT_TRUE(one.send(wire::encode_number(AgentFrame::kSignal, 2)));
  expect(agent_, AgentFrame::kSignal);
}

TEST_F(AudienceTest, WhoStallsIsCutOffAndHoldsUpNobody) {
  Peer quick = join(), stalled = join();
  std::string piece(wire::kMaxDataBytes, 'x');
  size_t heard = 0, most = 4 * Audience::kMostUnsent / piece.size();
  for (size_t i = 0; i < most; ++i) {
    hear(AgentFrame::kOutput, piece);
    heard += expect(quick, AgentFrame::kOutput).size();
  }
  EXPECT_EQ(heard, most * piece.size());
  // What lies in the connection arrives whole, then the reason, then the end.
  size_t got = 0;
  std::string why;
  while (why.empty()) {
    pollfd wait{stalled.fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&wait, 1, 10'000), 1);
    ASSERT_TRUE(stalled.fill().value());
    while (auto frame = stalled.next()) {
      ASSERT_EQ(frame->wrong, nullptr);
      if (frame->type == AgentFrame::kError)
        why = text_of(frame->payload);
      else
        got += frame->payload.size();
    }
  }
  EXPECT_NE(why.find("cut off"), std::string::npos);
  EXPECT_LT(got, heard / 2);
  EXPECT_TRUE(is_closed(stalled));
  EXPECT_TRUE(has(1));
  hear(AgentFrame::kOutput, "still there");
  EXPECT_EQ(expect(quick, AgentFrame::kOutput), "still there");
}

TEST_F(AudienceTest, ManySmallPiecesCountAsWell) {
  Peer stalled = join();
  loop_->call([&] {
    std::array<std::byte, 1> one{};
    for (size_t i = 0; i < 2 * Audience::kMostUnsent / 64; ++i) audience_->hear(AgentFrame::kOutput, one);
  });
  EXPECT_TRUE(is_closed(stalled));
}

TEST_F(AudienceTest, WhoMisbehavesIsDropped) {
  auto dropped = [&](const std::vector<std::byte>& bytes) {
    Peer client = join();
    EXPECT_TRUE(client.send(bytes));
    return is_closed(client);
  };
  std::vector<std::byte> large = wire::encode_text(AgentFrame::kInput, std::string(wire::kMaxDataBytes + 1, 'x'));
  EXPECT_TRUE(dropped(large));
  EXPECT_TRUE(dropped(wire::encode_number(AgentFrame::kSignal, 65)));
  EXPECT_TRUE(dropped(wire::encode_number(AgentFrame::kSignal, 0)));
  EXPECT_TRUE(dropped(wire::encode_text(AgentFrame::kResize, "x")));
  EXPECT_TRUE(dropped(wire::encode_number(AgentFrame::kShutDown, 0)));  // Not a word to the agent that is not ours.
  loop_->call([&] { unsent_ = 64 << 20; });
  EXPECT_TRUE(dropped(wire::encode_number(AgentFrame::kSignal, 2)));
  loop_->call([&] { unsent_ = 0; });
  // More than a window of input that nobody takes.
  Peer greedy = join();
  std::string piece(wire::kMaxDataBytes, 'a');
  for (size_t i = 0; i < 3 * wire::kInputWindow / piece.size(); ++i)
    if (!greedy.send(wire::encode_text(AgentFrame::kInput, piece))) break;
  EXPECT_TRUE(is_closed(greedy));
  EXPECT_TRUE(has(0));
}

TEST_F(AudienceTest, ThereAreOnlySoMany) {
  std::vector<Peer> all;
  for (size_t i = 0; i < Audience::kMostClients; ++i) {
    EXPECT_TRUE(audience_->may_join());
    all.push_back(join());
  }
  Result<void> may;
  loop_->call([&] { may = audience_->may_join(); });
  ASSERT_FALSE(may);
  EXPECT_EQ(may.error().code, ErrorCode::kUnavailable);
  all.pop_back();
  EXPECT_TRUE(has(Audience::kMostClients - 1));
}

TEST_F(AudienceTest, TheLastWordsAreWaitedForButNotForEver) {
  Peer slow = join(), stalled = join();
  std::string half(Audience::kMostUnsent / 2, 'x');
  hear(AgentFrame::kOutput, half);
  hear(AgentFrame::kEnded, "end");
  loop_->stop();
  thread_.join();
  auto reader = std::async(std::launch::async, [&] {
    EXPECT_EQ(expect(slow, AgentFrame::kOutput).size(), half.size());
    return expect(slow, AgentFrame::kEnded);
  });
  audience_->finish(EventLoop::Clock::now() + std::chrono::seconds(2));
  EXPECT_EQ(reader.get(), "end");
  thread_ = std::thread([this] { ASSERT_TRUE(loop_->run()); });
}

}  // namespace
}  // namespace cloche
