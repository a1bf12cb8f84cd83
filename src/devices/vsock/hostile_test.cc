// Guests that break the rules of vsock: each packet costs its own connection at most, and memory stays bounded.
#include "devices/vsock/testing/fake_guest.h"

namespace cloche::vsock {
namespace {

// A packet that stands for no stream, all of its fields valid.
Header loose_packet(uint16_t op) {
  Header header;
  header.src_cid = FakeGuest::kCid;
  header.dst_cid = kHostCid;
  header.src_port = 4000;
  header.dst_port = 5;
  header.type = kTypeStream;
  header.op = op;
  header.buf_alloc = 1 << 18;
  return header;
}

TEST_F(VsockTest, ResetsWhatBelongsToNoStream) {
  Header wrong_cid = loose_packet(kOpRequest), wrong_source = loose_packet(kOpRw),
         wrong_type = loose_packet(kOpRequest);
  wrong_cid.dst_cid = 9;
  wrong_source.src_cid = 1ull << 40;
  wrong_type.type = 2;
  for (const Header& packet :
       {loose_packet(kOpRw), loose_packet(kOpShutdown), loose_packet(kOpCreditUpdate), loose_packet(kOpCreditRequest),
        loose_packet(kOpResponse), loose_packet(kOpInvalid), loose_packet(99), wrong_cid, wrong_source, wrong_type}) {
    guest_.forget_strays();
    guest_.send(packet, Bytes(packet.op == kOpRw ? 10 : 0));
    guest_.settle();
    ASSERT_EQ(guest_.strays().size(), 1u) << uint16_t{packet.op};
    EXPECT_EQ(virtio::bytes_of(guest_.strays()[0]), virtio::bytes_of(reset_for(packet)));
  }
  EXPECT_EQ(vsock_.connections(), 0u);
  EXPECT_EQ(vsock_.counters().strays, 10u);
}

TEST_F(VsockTest, NeverAnswersAnRst) {
  guest_.send(loose_packet(kOpRst));
  guest_.settle();
  EXPECT_TRUE(guest_.strays().empty());
}

// Each of these on an established stream: it is reset, and its neighbour lives.
class BadPacket : public VsockTest, public ::testing::WithParamInterface<int> {};

TEST_P(BadPacket, ResetsItsStreamAlone) {
  Fd host, other_host;
  auto& stream = connect_socket(host, 5);
  auto& other = connect_socket(other_host, 6);
  Header packet = guest_.packet(stream, kOpRw);
  Bytes payload(16);
  switch (GetParam()) {
    case 0:
      packet.len = 17;
      break;
    case 1:
      packet.len = UINT32_MAX;
      break;
    case 2:
      packet.op = kOpResponse;
      break;
    case 3:
      packet.op = kOpRequest;
      break;
    case 4:
      packet.op = kOpInvalid;
      break;
    case 5:
      packet.op = 0xffff;
      break;
    case 6:
      guest_.shut_down(stream, kShutdownSend);
      packet.len = 16;
      break;
    default:
      payload = Bytes(Backlog::kSize + 1);
      packet.len = static_cast<uint32_t>(payload.size());
  }
  guest_.send(packet, payload);
  guest_.settle();
  EXPECT_TRUE(stream.reset);
  EXPECT_TRUE(at_end(host.get()));
  EXPECT_EQ(vsock_.connections(), 1u);
  EXPECT_EQ(vsock_.counters().violations, 1u);
  EXPECT_FALSE(guest_.driver().faulted());
  guest_.write(other, bytes_from("alive"));
  EXPECT_EQ(read_now(other_host.get()), bytes_from("alive"));
}
INSTANTIATE_TEST_SUITE_P(All, BadPacket, ::testing::Range(0, 8));

TEST_F(VsockTest, MoreThanItsCreditResets) {
  Ends output = make_pipe();
  auto& stream = connect({.input = {}, .output = std::move(output.other)});
  Bytes data(Backlog::kSize);
  size_t sent = 0;
  while (stream.credit() != 0) {
    sent += guest_.write(stream, data);
    guest_.send(guest_.packet(stream, kOpCreditRequest));  // We tell of small room only when asked.
    guest_.settle();
  }
  Header packet = guest_.packet(stream, kOpRw);
  packet.len = 1;
  guest_.send(packet, Bytes(1));
  guest_.settle();
  EXPECT_TRUE(stream.reset);
  EXPECT_EQ(vsock_.counters().over_credit, 1u);
  size_t got = 0;
  for (int i = 0; i < 100 && !vsock_.drained(); ++i) {
    got += read_now(output.one.get()).size();
    poll_loop(*loop_);
  }
  got += read_now(output.one.get()).size();
  EXPECT_EQ(got, sent) << "what was within its credit arrives";
}

TEST_F(VsockTest, HeadersInPieces) {
  Fd host;
  auto& stream = connect_socket(host);
  Bytes payload = random_bytes(1000, 30);
  for (size_t cut : {1u, 7u, 43u, 44u, 45u, 500u, 1043u}) {
    Header header = guest_.packet(stream, kOpRw);
    header.len = 1000;
    Bytes all = virtio::bytes_of(header);
    all.insert(all.end(), payload.begin(), payload.end());
    auto middle = all.begin() + static_cast<ptrdiff_t>(cut);
    guest_.send_shaped({.readable = {Bytes(all.begin(), middle), Bytes(middle, all.end())}, .writable = {}});
    EXPECT_EQ(read_now(host.get()), payload) << cut;
    Bytes whole = all;
    guest_.send_shaped({.readable = {std::move(whole)}, .writable = {}, .indirect = true});
    EXPECT_EQ(read_now(host.get()), payload) << cut;
  }
  virtio::FakeRequest bytewise;
  Header header = guest_.packet(stream, kOpRw);
  header.len = 3;
  for (std::byte byte : virtio::bytes_of(header)) bytewise.readable.push_back({byte});
  for (std::byte byte : bytes_from("abc")) bytewise.readable.push_back({byte});
  guest_.send_shaped(bytewise);
  EXPECT_EQ(read_now(host.get()), bytes_from("abc"));
}

TEST_F(VsockTest, APacketWithoutAHeaderFaults) {
  Fd host;
  connect_socket(host);
  guest_.send_shaped({.readable = {Bytes(43)}, .writable = {}});
  EXPECT_TRUE(guest_.driver().faulted());
  EXPECT_EQ(vsock_.connections(), 0u);
  EXPECT_TRUE(at_end(host.get()));
  // Nothing touches the rings from now on.
  Ends ends = make_socket_pair();
  vsock_.connect(80, both_ways(std::move(ends.one)), [](Result<void>) {});
  poll_loop(*loop_);
  EXPECT_FALSE(guest_.receive());
}

TEST_F(VsockTest, AReceiveBufferWithoutRoomFaults) {
  Fd host;
  auto& stream = connect_socket(host);
  guest_.set_replenish(false);
  guest_.offer_shaped({43});
  for (int i = 0; i < 65 && !guest_.driver().faulted(); ++i) {
    write_now(host.get(), bytes_from("x"));
    guest_.settle();
  }
  EXPECT_TRUE(guest_.driver().faulted());
  EXPECT_LE(stream.received.size(), 64u);
  EXPECT_LT(::send(host.get(), "x", 1, MSG_NOSIGNAL), 0) << "the stream is gone";
}

// A guest that takes credit back or claims what was not sent starves itself only.
TEST_F(VsockTest, CreditThatMakesNoSense) {
  Fd host;
  auto& stream = connect_socket(host);
  stream.answers_credit_requests = false;
  Header update = guest_.packet(stream, kOpCreditUpdate);
  update.fwd_cnt = 1'000'000;
  guest_.send(update);
  write_now(host.get(), bytes_from("data"));
  guest_.settle();
  EXPECT_EQ(stream.received, Bytes());
  update.fwd_cnt = 0;
  update.buf_alloc = 2;
  guest_.send(update);
  stream.buf_alloc = 2;
  guest_.settle();
  EXPECT_EQ(stream.received, bytes_from("data"));
  update.fwd_cnt = 4;
  update.buf_alloc = 0;
  stream.buf_alloc = 0;
  guest_.send(update);
  write_now(host.get(), bytes_from("more"));
  guest_.settle();
  EXPECT_EQ(stream.received, bytes_from("data"));
  stream.buf_alloc = 100;
  guest_.send(guest_.packet(stream, kOpCreditUpdate));
  guest_.settle();
  EXPECT_EQ(stream.received, bytes_from("datamore"));
}

TEST_F(VsockTest, AConnectOnAConnectionInUseResetsIt) {
  Fd host, next;
  auto& stream = connect_socket(host);
  guest_.send(guest_.packet(stream, kOpRequest));
  guest_.settle();
  EXPECT_TRUE(stream.reset);
  EXPECT_TRUE(at_end(host.get()));
  EXPECT_EQ(vsock_.connections(), 0u);
}

// We shut down both ways, the guest forgot the stream without a word and uses its port again.
TEST_F(VsockTest, AConnectOnAClosingConnectionReplacesIt) {
  guest_.set_answer_shutdown(false);
  prepared_[5] = {};
  auto& stream = guest_.connect(5);
  EXPECT_EQ(stream.host_shutdown, kShutdownBoth);
  EXPECT_EQ(vsock_.connections(), 1u);
  Ends ends = make_socket_pair();
  prepared_[5] = both_ways(std::move(ends.one));
  uint32_t port = stream.guest_port;
  auto& again = guest_.add(port, 5);
  guest_.send(guest_.packet(again, kOpRequest));
  guest_.settle();
  EXPECT_TRUE(again.established);
  EXPECT_FALSE(again.reset);
  guest_.write(again, bytes_from("new"));
  EXPECT_EQ(read_now(ends.other.get()), bytes_from("new"));
}

TEST_F(VsockTest, AnAnswerThatIsNoneEndsTheConnect) {
  guest_.set_replenish(false);
  std::optional<Result<void>> result;
  vsock_.connect(80, {}, [&](Result<void> done) { result = done; });
  Header answer = loose_packet(kOpRw);
  answer.src_port = 80;
  answer.dst_port = 1u << 30;
  guest_.send(answer);
  poll_loop(*loop_);
  ASSERT_TRUE(result && !*result);
}

TEST_F(VsockTest, AFloodOfConnectsWithoutReceiveBuffers) {
  vsock_.set_connector([](uint32_t) -> Result<HostStream> { return HostStream{}; });
  guest_.driver().reset();
  guest_.driver().start();
  Header request = loose_packet(kOpRequest);
  for (uint32_t port = 1; port <= 5000; ++port) {
    request.src_port = port;
    guest_.send(request);
  }
  EXPECT_EQ(vsock_.connections(), Vsock::kMostConnections);
  EXPECT_EQ(vsock_.counters().refused, 5000 - Vsock::kMostConnections);
  EXPECT_EQ(vsock_.counters().dropped_resets, 5000 - Vsock::kMostConnections - PacketWriter::kMostStrayResets);
  // And when buffers come, each gets its answer.
  size_t before = guest_.packets();
  guest_.offer(100);
  guest_.settle();
  // For each connection RESPONSE and SHUTDOWN; the fake guest knows none of them and answers with RST.
  EXPECT_EQ(guest_.packets() - before, PacketWriter::kMostStrayResets + 2 * Vsock::kMostConnections);
  EXPECT_EQ(vsock_.connections(), 0u);
}

TEST_F(VsockTest, AStormOfConnectsAndResets) {
  vsock_.set_connector([](uint32_t) -> Result<HostStream> {
    Ends ends = make_socket_pair();
    return both_ways(std::move(ends.one));
  });
  guest_.set_replenish(false);
  Header packet = loose_packet(kOpRequest);
  for (uint32_t i = 0; i < 3000; ++i) {
    packet.src_port = i % 50;
    packet.op = i % 3 == 2 ? kOpRst : i % 3 == 1 ? kOpShutdown : kOpRequest;
    packet.flags = kShutdownBoth;
    guest_.send(packet);
  }
  poll_loop(*loop_);
  EXPECT_LE(vsock_.connections(), 50u);
  guest_.set_replenish(true);
  guest_.offer(32);
  guest_.settle();
  EXPECT_FALSE(guest_.driver().faulted());
}

// Anything at all, with fields that are nearly right.
TEST_F(VsockTest, RandomPackets) {
  std::vector<Fd> hosts;
  vsock_.set_connector([&](uint32_t port) -> Result<HostStream> {
    if (port % 4 == 0) return fail(ErrorCode::kNotFound, "nothing listens");
    if (port % 4 == 1) return HostStream{.input = {}, .output = open_file("/dev/null", O_WRONLY).value()};
    if (port % 4 == 2) return HostStream{.input = open_file("/dev/zero", O_RDONLY).value(), .output = {}};
    Ends ends = make_socket_pair();
    hosts.push_back(std::move(ends.other));
    return both_ways(std::move(ends.one));
  });
  std::mt19937 random(31);
  auto below = [&](uint32_t limit) { return static_cast<uint32_t>(random() % limit); };
  for (int i = 0; i < 30'000 && !HasFatalFailure(); ++i) {
    Header packet = loose_packet(static_cast<uint16_t>(below(9)));
    packet.src_port = below(6);
    packet.dst_port = below(8);
    if (below(50) == 0) packet.src_cid = below(5);
    if (below(50) == 0) packet.type = static_cast<uint16_t>(below(4));
    Bytes payload(below(4) == 0 ? below(8000) : below(3));
    packet.len = below(20) == 0 ? static_cast<uint32_t>(random()) : static_cast<uint32_t>(payload.size());
    packet.flags = below(4);
    packet.buf_alloc = below(3) == 0 ? static_cast<uint32_t>(random()) : 100'000;
    packet.fwd_cnt = below(3) == 0 ? static_cast<uint32_t>(random()) : 0;
    if (below(100) == 0) vsock_.connect(below(6), {}, [](Result<void>) {});
    guest_.send(packet, payload);
    if (below(8) == 0) guest_.driver().collect(Vsock::kReceive);
    if (below(8) == 0) guest_.offer(below(8));
    if (below(8) == 0) poll_loop(*loop_);
    if (!hosts.empty() && below(10) == 0) read_now(hosts[below(static_cast<uint32_t>(hosts.size()))].get());
    if (!hosts.empty() && below(20) == 0) write_now(hosts.back().get(), Bytes(below(5000)));
    if (hosts.size() > 40) hosts.erase(hosts.begin() + below(40));
    if (below(2000) == 0) {
      guest_.driver().reset();
      guest_.driver().start();
    }
    ASSERT_FALSE(guest_.driver().faulted());
    ASSERT_LE(vsock_.connections(), Vsock::kMostConnections);
  }
}

}  // namespace
}  // namespace cloche::vsock
