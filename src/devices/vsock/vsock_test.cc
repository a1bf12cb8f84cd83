#include "devices/vsock/vsock.h"

#include "devices/vsock/testing/fake_guest.h"
#include "virtio/spec.h"

namespace cloche::vsock {
namespace {

TEST_F(VsockTest, TellsItsIdAndTheGuestsCid) {
  EXPECT_EQ(vsock_.id(), virtio::kIdVsock);
  Bytes config(12, std::byte{0xff});
  vsock_.read_config(0, config);
  EXPECT_EQ(config, (Bytes{std::byte{3}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}}));
}

TEST_F(VsockTest, CarriesAStreamThatTheGuestOpens) {
  Fd host;
  auto& stream = connect_socket(host);
  guest_.write(stream, bytes_from("from the guest"));
  guest_.settle();
  EXPECT_EQ(read_now(host.get()), bytes_from("from the guest"));
  write_now(host.get(), bytes_from("from the host"));
  guest_.settle();
  EXPECT_EQ(stream.received, bytes_from("from the host"));
  EXPECT_EQ(vsock_.connections(), 1u);
}

TEST_F(VsockTest, RefusesWhatNothingListensOn) {
  auto& stream = guest_.connect(77);
  EXPECT_FALSE(stream.established);
  EXPECT_TRUE(stream.reset);
  EXPECT_EQ(vsock_.counters().refused, 1u);
}

TEST_F(VsockTest, RefusesEverythingWithoutAConnector) {
  vsock_.set_connector(nullptr);
  EXPECT_TRUE(guest_.connect(5).reset);
}

TEST_F(VsockTest, CarriesAStreamThatTheHostOpens) {
  guest_.listen(80);
  Ends ends = make_socket_pair();
  std::optional<Result<void>> result;
  vsock_.connect(80, both_ways(std::move(ends.one)), [&](Result<void> done) { result = done; });
  EXPECT_FALSE(result) << "not before connect() returns";
  write_now(ends.other.get(), bytes_from("early"));
  guest_.settle();
  ASSERT_TRUE(result && *result);
  auto* stream = guest_.accepted(80);
  ASSERT_NE(stream, nullptr);
  EXPECT_EQ(stream->received, bytes_from("early"));
  guest_.write(*stream, bytes_from("answer"));
  EXPECT_EQ(read_now(ends.other.get()), bytes_from("answer"));
}

TEST_F(VsockTest, TellsTheHostThatTheGuestRefused) {
  Ends ends = make_socket_pair();
  std::optional<Result<void>> result;
  vsock_.connect(81, both_ways(std::move(ends.one)), [&](Result<void> done) { result = done; });
  guest_.settle();
  // Nobody listens: the fake guest answers with RST.
  ASSERT_TRUE(result && !*result);
  EXPECT_EQ(result->error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(result->error().message(), "connect to guest port 81: the guest refused: Connection refused");
  EXPECT_TRUE(at_end(ends.other.get()));
  EXPECT_EQ(vsock_.connections(), 0u);
}

TEST_F(VsockTest, OpensStreamsBeforeTheGuestIsThere) {
  guest_.driver().reset();
  Ends ends = make_socket_pair();
  std::optional<Result<void>> result;
  vsock_.connect(80, both_ways(std::move(ends.one)), [&](Result<void> done) { result = done; });
  poll_loop(*loop_);
  guest_.listen(80);
  guest_.driver().start();
  guest_.offer(4);
  guest_.settle();
  ASSERT_TRUE(result && *result);
}

TEST_F(VsockTest, EachConnectOfTheHostHasAPortOfItsOwn) {
  guest_.listen(80);
  std::vector<Fd> hosts;
  for (int i = 0; i < 3; ++i) {
    Ends ends = make_socket_pair();
    hosts.push_back(std::move(ends.other));
    vsock_.connect(80, both_ways(std::move(ends.one)), [](Result<void> done) { EXPECT_TRUE(done); });
  }
  guest_.settle();
  EXPECT_EQ(vsock_.connections(), 3u);
}

TEST_F(VsockTest, HandsOverPipesOfBothDirections) {
  Ends input = make_pipe(), output = make_pipe();
  auto& stream = connect({.input = std::move(input.one), .output = std::move(output.other)});
  Bytes to_guest = random_bytes(300'000, 1), to_host = random_bytes(300'000, 2), got;
  size_t written = 0, sent = 0;
  while (got.size() < to_host.size() || stream.received.size() < to_guest.size()) {
    written += write_now(input.other.get(), std::span(to_guest).subspan(written));
    sent += guest_.write(stream, std::span(to_host).subspan(sent));
    Bytes more = read_now(output.one.get());
    got.insert(got.end(), more.begin(), more.end());
    guest_.settle();
  }
  EXPECT_EQ(got, to_host);
  EXPECT_EQ(stream.received, to_guest);
  input.other.reset();
  guest_.settle();
  EXPECT_EQ(stream.host_shutdown, kShutdownSend);
  guest_.shut_down(stream, kShutdownSend);
  EXPECT_TRUE(at_end(output.one.get()));
}

TEST_F(VsockTest, HalfCloseByTheGuest) {
  Fd host;
  auto& stream = connect_socket(host);
  guest_.write(stream, bytes_from("last"));
  guest_.shut_down(stream, kShutdownSend);
  bool ended = false;
  EXPECT_EQ(read_now(host.get(), SIZE_MAX, &ended), bytes_from("last"));
  EXPECT_TRUE(ended);
  write_now(host.get(), bytes_from("still there"));
  guest_.settle();
  EXPECT_EQ(stream.received, bytes_from("still there"));
  guest_.shut_down(stream, kShutdownBoth);
  guest_.settle();
  EXPECT_TRUE(stream.reset) << "the clean end";
  EXPECT_EQ(vsock_.connections(), 0u);
}

TEST_F(VsockTest, HalfCloseByTheHost) {
  Fd host;
  auto& stream = connect_socket(host);
  write_now(host.get(), bytes_from("last"));
  ::shutdown(host.get(), SHUT_WR);
  guest_.settle();
  EXPECT_EQ(stream.received, bytes_from("last"));
  EXPECT_EQ(stream.host_shutdown, kShutdownSend);
  guest_.write(stream, bytes_from("still there"));
  EXPECT_EQ(read_now(host.get()), bytes_from("still there"));
}

TEST_F(VsockTest, AGuestThatStopsReadingLetsTheHostKnow) {
  Fd host;
  auto& stream = connect_socket(host);
  guest_.shut_down(stream, kShutdownReceive);
  EXPECT_LT(::send(host.get(), "x", 1, MSG_NOSIGNAL), 0);
  EXPECT_EQ(errno, EPIPE);
  guest_.write(stream, bytes_from("still there"));
  EXPECT_EQ(read_now(host.get()), bytes_from("still there"));
}

TEST_F(VsockTest, AStreamWithoutInputEndsAtOnce) {
  Ends output = make_pipe();
  auto& stream = connect({.input = {}, .output = std::move(output.other)});
  EXPECT_EQ(stream.host_shutdown, kShutdownSend);
  guest_.write(stream, bytes_from("out"));
  EXPECT_EQ(read_now(output.one.get()), bytes_from("out"));
}

TEST_F(VsockTest, AStreamWithoutOutputRefusesWrites) {
  Ends input = make_pipe();
  auto& stream = connect({.input = std::move(input.one), .output = {}});
  EXPECT_EQ(stream.host_shutdown, kShutdownReceive);
  write_now(input.other.get(), bytes_from("in"));
  guest_.settle();
  EXPECT_EQ(stream.received, bytes_from("in"));
}

TEST_F(VsockTest, AStreamWithNeitherIsOver) {
  prepared_[5] = {};
  auto& stream = guest_.connect(5);
  EXPECT_TRUE(stream.established);
  EXPECT_EQ(stream.host_shutdown, kShutdownBoth);
  EXPECT_EQ(vsock_.connections(), 0u) << "the guest answered with RST";
}

TEST_F(VsockTest, TheHostsCloseEndsTheStream) {
  Fd host;
  auto& stream = connect_socket(host);
  host.reset();
  guest_.settle();
  EXPECT_EQ(stream.host_shutdown, kShutdownSend);
  guest_.write(stream, bytes_from("to nobody"));
  guest_.settle();
  EXPECT_EQ(stream.host_shutdown, kShutdownBoth);
  EXPECT_EQ(vsock_.connections(), 0u);
}

TEST_F(VsockTest, AnRstEndsTheStreamForTheHost) {
  Fd host;
  auto& stream = connect_socket(host);
  guest_.write(stream, bytes_from("last"));
  guest_.reset(stream);
  bool ended = false;
  EXPECT_EQ(read_now(host.get(), SIZE_MAX, &ended), bytes_from("last"));
  EXPECT_TRUE(ended);
  EXPECT_EQ(vsock_.connections(), 0u);
}

// What the guest wrote before it closed, crashed or went away is still handed over.
TEST_F(VsockTest, OutputOutlivesTheConnection) {
  for (int way = 0; way < 3; ++way) {
    Ends output = make_pipe();
    auto& stream = connect({.input = {}, .output = std::move(output.other)});
    Bytes data = random_bytes(200'000, 3);
    ASSERT_EQ(guest_.write(stream, data), data.size());
    EXPECT_FALSE(vsock_.drained());
    if (way == 0) guest_.shut_down(stream, kShutdownBoth);
    if (way == 1) guest_.reset(stream);
    if (way == 2) guest_.driver().reset();
    EXPECT_EQ(vsock_.connections(), 0u);
    EXPECT_FALSE(vsock_.drained());
    drained_calls_ = 0;
    Bytes got;
    bool ended = false;
    while (!ended && got.size() <= data.size()) {
      Bytes more = read_now(output.one.get(), SIZE_MAX, &ended);
      got.insert(got.end(), more.begin(), more.end());
      poll_loop(*loop_);
    }
    EXPECT_EQ(got, data) << way;
    EXPECT_TRUE(vsock_.drained());
    EXPECT_EQ(drained_calls_, 1);
  }
}

TEST_F(VsockTest, AResetForgetsTheGuestAndServesTheNext) {
  Fd host, next;
  connect_socket(host);
  guest_.driver().reset();
  EXPECT_TRUE(at_end(host.get()));
  EXPECT_EQ(vsock_.connections(), 0u);
  guest_.driver().start();
  guest_.offer(8);
  auto& stream = connect_socket(next);
  guest_.write(stream, bytes_from("again"));
  EXPECT_EQ(read_now(next.get()), bytes_from("again"));
}

TEST_F(VsockTest, ResetFailsConnectsInFlight) {
  guest_.set_replenish(false);
  Ends ends = make_socket_pair();
  std::optional<Result<void>> result;
  vsock_.connect(80, both_ways(std::move(ends.one)), [&](Result<void> done) { result = done; });
  guest_.driver().reset();
  poll_loop(*loop_);
  ASSERT_TRUE(result && !*result);
  EXPECT_EQ(result->error().sys_errno, ECONNRESET);
}

TEST_F(VsockTest, AConnectorMayOpenStreamsItself) {
  guest_.listen(80);
  bool done = false;
  vsock_.set_connector([&](uint32_t) -> Result<HostStream> {
    vsock_.connect(80, {}, [&](Result<void> result) { done = result.has_value(); });
    return fail(ErrorCode::kUnavailable, "call me back");
  });
  EXPECT_TRUE(guest_.connect(5).reset);
  guest_.settle();
  EXPECT_TRUE(done);
}

TEST_F(VsockTest, TellsOfATransportReset) {
  Fd host;
  connect_socket(host);
  vsock_.send_transport_reset();
  EXPECT_EQ(vsock_.connections(), 0u);
  guest_.settle();
  EXPECT_TRUE(guest_.driver().collect(Vsock::kEvent).empty()) << "no buffer yet";
  guest_.driver().offer(Vsock::kEvent, 4);
  guest_.driver().kick(Vsock::kEvent);
  auto events = guest_.driver().collect(Vsock::kEvent);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].bytes, Bytes(4));
  guest_.driver().offer(Vsock::kEvent, 4);
  guest_.driver().kick(Vsock::kEvent);
  EXPECT_TRUE(guest_.driver().collect(Vsock::kEvent).empty()) << "told once";
}

}  // namespace
}  // namespace cloche::vsock
