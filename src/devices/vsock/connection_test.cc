#include "devices/vsock/connection.h"

#include "devices/vsock/testing/fake_guest.h"

namespace cloche::vsock {
namespace {

class ConnectionTest : public ::testing::Test {
 protected:
  Connection make(HostStream host) {
    return Connection({.guest_cid = 3, .guest_port = 1, .host_port = 2}, std::move(host), *loop_);
  }
  static void tell(Connection& connection, uint32_t buf_alloc, uint32_t fwd_cnt) {
    Header packet;
    packet.buf_alloc = buf_alloc;
    packet.fwd_cnt = fwd_cnt;
    connection.take_credit(packet);
  }
  std::unique_ptr<EventLoop> loop_ = EventLoop::create().value();
};

TEST_F(ConnectionTest, CreditIsWhatTheGuestHasRoomFor) {
  Connection connection = make({.input = open_file("/dev/zero", O_RDONLY).value(), .output = {}});
  EXPECT_EQ(connection.credit(), 0u) << "nothing was told";
  tell(connection, 1000, 0);
  EXPECT_EQ(connection.credit(), 1000u);
  Bytes bytes(600);
  std::array room{iovec{bytes.data(), bytes.size()}};
  EXPECT_EQ(connection.read_input(room).size, 600u);
  EXPECT_EQ(connection.credit(), 400u);
  tell(connection, 500, 0);
  EXPECT_EQ(connection.credit(), 0u) << "it took back what was used";
  tell(connection, 500, 600);
  EXPECT_EQ(connection.credit(), 500u);
  tell(connection, 500, 601);
  EXPECT_EQ(connection.credit(), 0u) << "it cannot have more than was sent";
  tell(connection, UINT32_MAX, 600);
  EXPECT_EQ(connection.credit(), UINT32_MAX);
}

TEST_F(ConnectionTest, CountsOfWhatIsSentWrapAround) {
  Connection connection = make({.input = open_file("/dev/zero", O_RDONLY).value(), .output = {}});
  Bytes bytes(1 << 20);
  std::array<iovec, 16> room;
  room.fill({bytes.data(), bytes.size()});
  uint64_t sent = 0;
  while (sent < (1ull << 32) + (32 << 20)) {
    tell(connection, 100 << 20, static_cast<uint32_t>(sent));
    ASSERT_EQ(connection.credit(), 100u << 20);
    sent += connection.read_input(room).size;
    ASSERT_EQ(connection.credit(), 84u << 20);
  }
}

TEST_F(ConnectionTest, CountsOfWhatIsForwardedWrapAround) {
  Connection connection = make({.input = {}, .output = open_file("/dev/null", O_WRONLY).value()});
  Bytes bytes(Backlog::kSize);
  uint64_t updates = 0;
  for (uint64_t packets = 0; packets < (1ull << 32) / Backlog::kSize + 10; ++packets) {
    iovec piece{bytes.data(), bytes.size()};
    ASSERT_TRUE(connection.has_room(Backlog::kSize));
    ASSERT_EQ(connection.deliver({&piece, 1}), 0);
    while (connection.owes()) {
      Header packet = connection.take_owed();
      ASSERT_EQ(packet.op, kOpCreditUpdate);
      ASSERT_EQ(packet.fwd_cnt, static_cast<uint32_t>((packets + 1) * Backlog::kSize));
      ++updates;
    }
  }
  EXPECT_EQ(updates, (1ull << 32) / Backlog::kSize + 10);
}

TEST_F(ConnectionTest, OwedPacketsComeInOrderAndOnce) {
  Connection connection = make({});
  connection.owe(Owed::kCreditRequest);
  connection.owe(Owed::kCreditUpdate);
  connection.owe(Owed::kResponse);
  connection.establish();
  EXPECT_EQ(connection.take_owed().op, kOpResponse);
  Header shutdown = connection.take_owed();
  EXPECT_EQ(shutdown.op, kOpShutdown);
  EXPECT_EQ(shutdown.flags, kShutdownBoth);
  EXPECT_EQ(connection.take_owed().op, kOpCreditRequest) << "every packet carries credit: no update is owed";
  EXPECT_FALSE(connection.owes());
}

TEST(BacklogTest, KeepsBytesInOrderAroundItsEnd) {
  Backlog backlog;
  Bytes data = random_bytes(Backlog::kSize, 11);
  std::mt19937 random(12);
  size_t in = 0, out = 0;
  for (int i = 0; i < 500; ++i) {
    size_t put = std::min<size_t>(random() % 100'000, Backlog::kSize - backlog.size());
    for (size_t done = 0; done < put;) {
      size_t piece = std::min(put - done, data.size() - in % data.size());
      backlog.append(std::span(data).subspan(in % data.size(), piece));
      in += piece;
      done += piece;
    }
    size_t take = random() % (backlog.size() + 1), seen = 0;
    Backlog::Pieces pieces = backlog.pieces();
    for (size_t p = 0; p < pieces.count; ++p) {
      auto* bytes = static_cast<std::byte*>(pieces.each[p].iov_base);
      for (size_t b = 0; b < pieces.each[p].iov_len; b += 101)
        ASSERT_EQ(bytes[b], data[(out + seen + b) % data.size()]);
      seen += pieces.each[p].iov_len;
    }
    ASSERT_EQ(seen, backlog.size());
    backlog.consume(take);
    out += take;
  }
}

}  // namespace
}  // namespace cloche::vsock
