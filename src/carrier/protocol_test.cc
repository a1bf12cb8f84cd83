#include "carrier/protocol.h"

#include <gtest/gtest.h>

#include <random>

namespace cloche::carrier {
namespace {

Request sample_request() {
  Request request;
  request.program = "/opt/cloche";
  request.arguments = {"cloche", "run", "", "a b"};
  request.environment = {"A=1", "B="};
  request.working_directory = "/work";
  request.uid = 1000;
  request.gid = 100;
  request.groups = {100, 27};
  request.umask = 077;
  request.limits = {{7, 1024, UINT64_MAX}};
  request.ignored_signals = 1;
  request.streams[0] = StreamKind::kTerminal;
  request.streams[1] = StreamKind::kPipe;
  request.streams[2] = StreamKind::kAsStdout;
  request.window = {50, 132, 1, 2};
  request.terminal = {1, 2, 3, 4, 5, 6, std::string("\0\x7f", 2)};
  request.realtime_ns = 1'700'000'000'000'000'000;
  request.system_stamp = 42;
  return request;
}

TEST(Protocol, RequestArrivesAsItWasSent) {
  Request sent = sample_request(), got;
  ASSERT_TRUE(decode(encode(sent), got));
  EXPECT_EQ(got.program, sent.program);
  EXPECT_EQ(got.arguments, sent.arguments);
  EXPECT_EQ(got.environment, sent.environment);
  EXPECT_EQ(got.groups, sent.groups);
  EXPECT_EQ(got.umask, 077U);
  ASSERT_EQ(got.limits.size(), 1U);
  EXPECT_EQ(got.limits[0].hard, UINT64_MAX);
  EXPECT_EQ(got.streams[0], StreamKind::kTerminal);
  EXPECT_EQ(got.streams[2], StreamKind::kAsStdout);
  EXPECT_EQ(got.window.columns, 132);
  EXPECT_EQ(got.terminal.characters, sent.terminal.characters);
  EXPECT_EQ(got.realtime_ns, sent.realtime_ns);
  EXPECT_EQ(got.system_stamp, 42U);
}

TEST(Protocol, RequestCutShortOrTooLongIsRefused) {
  auto bytes = encode(sample_request());
  Request got;
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode(std::span(bytes).first(size), got)) << size;
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(decode(bytes, got));
}

TEST(Protocol, RequestThatMakesNoSenseIsRefused) {
  Request got, none = sample_request(), wrong = sample_request(), unknown = sample_request();
  none.arguments.clear();
  EXPECT_FALSE(decode(encode(none), got));
  wrong.streams[1] = StreamKind::kAsStdout;
  EXPECT_FALSE(decode(encode(wrong), got));
  unknown.streams[0] = static_cast<StreamKind>(9);
  EXPECT_FALSE(decode(encode(unknown), got));
}

TEST(Protocol, HostileBytesNeverDecodeToTooMuch) {
  std::mt19937 random(1);
  auto bytes = encode(sample_request());
  for (int round = 0; round < 20'000; ++round) {
    auto hostile = bytes;
    for (int i = 0; i < 4; ++i) hostile[random() % hostile.size()] = static_cast<std::byte>(random());
    Request got;
    if (!decode(hostile, got)) continue;
    size_t most = 0;
    for (const std::string& each : got.arguments) most += each.size();
    EXPECT_LE(most, hostile.size());
  }
}

TEST(Protocol, HeaderIsChecked) {
  Header got;
  ASSERT_TRUE(decode(encode(Header{kMaxPayload, MessageType::kData, Stream::kTerminal}), got));
  EXPECT_EQ(got.payload_size, kMaxPayload);
  EXPECT_EQ(got.type, MessageType::kData);
  EXPECT_EQ(got.stream, Stream::kTerminal);
  EXPECT_FALSE(decode(encode(Header{kMaxPayload + 1, MessageType::kData}), got));
  EXPECT_FALSE(decode(encode(Header{0, static_cast<MessageType>(0)}), got));
  EXPECT_FALSE(decode(encode(Header{0, static_cast<MessageType>(99)}), got));
  EXPECT_FALSE(decode(encode(Header{0, MessageType::kData, static_cast<Stream>(4)}), got));
  EXPECT_FALSE(decode(encode(Header{0, MessageType::kData, Stream::kStdin, 1}), got));
}

TEST(Protocol, SmallMessagesArriveAsTheyWereSent) {
  Exited exited;
  ASSERT_TRUE(decode(encode(Exited{ExitKind::kFailed, 13, "mount"}), exited));
  EXPECT_EQ(exited.kind, ExitKind::kFailed);
  EXPECT_EQ(exited.what, "mount");
  EXPECT_FALSE(decode(encode(Exited{static_cast<ExitKind>(7), 0, ""}), exited));
  AgentStatus status;
  ASSERT_TRUE(decode(encode(AgentStatus{3, 4, 5}), status));
  EXPECT_EQ(status.idle_stop_s, 5U);
  uint32_t number = 0;
  ASSERT_TRUE(decode_number(encode_number(0xfffffffe), number));
  EXPECT_EQ(number, 0xfffffffe);
  Token token;
  EXPECT_FALSE(decode(encode(Token{.secret = "short"}), token));
  EXPECT_TRUE(decode(encode(Token{.secret = std::string(kTokenBytes, 'x')}), token));
}

TEST(Protocol, SecretsAreEqualOnlyWhenEveryByteIs) {
  std::string secret(kTokenBytes, 'x');
  EXPECT_TRUE(equal_secrets(secret, std::string(kTokenBytes, 'x')));
  for (size_t i = 0; i < secret.size(); ++i) {
    std::string other = secret;
    other[i] = static_cast<char>(other[i] ^ 1);
    EXPECT_FALSE(equal_secrets(secret, other)) << i;
  }
  EXPECT_FALSE(equal_secrets(secret, ""));
}

TEST(Windows, SenderCannotBeGrantedMoreThanAWindow) {
  SendWindow window;
  EXPECT_FALSE(window.grant(1));
  window.take(10);
  EXPECT_FALSE(window.grant(11));
  EXPECT_TRUE(window.grant(10));
  EXPECT_FALSE(window.grant(UINT32_MAX));
  EXPECT_EQ(window.left(), kWindow);
}

TEST(Windows, ReceiverGivesBackWhatHasPassed) {
  ReceiveWindow receiver;
  SendWindow sender;
  uint64_t sent = 0;
  for (int i = 0; i < 1000; ++i) {
    uint32_t size = std::min(sender.left(), kMaxData);
    ASSERT_GT(size, 0U) << "the stream stands still at " << sent;
    sender.take(size);
    ASSERT_TRUE(receiver.accept(size));
    sent += size;
    if (uint32_t credit = receiver.pass(size); credit > 0) {
      ASSERT_TRUE(sender.grant(credit));
    }
  }
  EXPECT_FALSE(receiver.accept(kWindow + 1));
}

}  // namespace
}  // namespace cloche::carrier
