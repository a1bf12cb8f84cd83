// Impersonated datagram sockets, and guests that flood or say nonsense.
#include <random>

#include "devices/vsock/testing/tsi_test.h"
#include "devices/vsock/tsi.h"

namespace cloche::vsock {
namespace {

constexpr auto kData = static_cast<uint32_t>(TsiQuestion::kData);

TsiOptions with_loopback() {
  TsiOptions options;
  options.reaches_loopback = true;
  return options;
}

class TsiDatagramTest : public TsiTest {
 protected:
  void send_to(uint32_t port, const TsiAddressBytes& address, std::string_view text) {
    say(TsiQuestion::kSendTo, TsiConnect{.port = port, .address = address});
    say_bytes(kData, port, bytes_from(text));
  }
  // What the host's socket got; its sender is where answer() sends to.
  std::optional<std::string> heard() {
    std::string text(65536, '\0');
    socklen_t size = sizeof from_;
    ssize_t got = ::recvfrom(server_.get(), text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&from_), &size);
    if (got < 0) return std::nullopt;
    text.resize(static_cast<size_t>(got));
    return text;
  }
  void answer(const Bytes& bytes) {
    auto size = static_cast<ssize_t>(bytes.size());
    EXPECT_EQ(::sendto(server_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from_), sizeof from_),
              size);
  }
  Fd server_ = host_socket(SOCK_DGRAM);
  sockaddr_in from_{};
};

TEST_F(TsiDatagramTest, GoToWhereTheProgramSaysAndComeBack) {
  begin(with_loopback());
  create(2000, AF_INET, SOCK_DGRAM);
  send_to(2000, ipv4_bytes("127.0.0.1", port_of(server_)), "ping");
  EXPECT_EQ(heard(), "ping");
  answer(bytes_from("pong"));
  EXPECT_EQ(take(2000), bytes_from("pong"));
  answer({});
  EXPECT_EQ(take(2000), Bytes()) << "an empty one is one";
}

TEST_F(TsiDatagramTest, AConnectedSocketSendsToItsPeer) {
  begin(with_loopback());
  create(2000, AF_INET, SOCK_DGRAM);
  EXPECT_EQ(connect_to(2000, ipv4_bytes("127.0.0.1", port_of(server_))), 0);
  say_bytes(2000, 2000, bytes_from("ping"));
  EXPECT_EQ(heard(), "ping");
  answer(bytes_from("pong"));
  EXPECT_EQ(take(2000), bytes_from("pong"));
}

TEST_F(TsiDatagramTest, TheHostsLoopbackIsOutOfReachUnlessAllowed) {
  begin({});
  create(2000, AF_INET, SOCK_DGRAM);
  for (const char* address : {"127.0.0.1", "0.0.0.0"}) {
    send_to(2000, ipv4_bytes(address, port_of(server_)), "ping");
    EXPECT_EQ(connect_to(2000, ipv4_bytes(address, port_of(server_))), -ECONNREFUSED);
    say_bytes(2000, 2000, bytes_from("ping"));
  }
  EXPECT_EQ(heard(), std::nullopt);
}

TEST_F(TsiDatagramTest, OneThatDoesNotFitTheGuestsBufferIsDropped) {
  begin(with_loopback());
  create(2000, AF_INET, SOCK_DGRAM);
  send_to(2000, ipv4_bytes("127.0.0.1", port_of(server_)), "ping");
  ASSERT_TRUE(heard());
  answer(random_bytes(3776 - kHeaderSize + 1, 1));
  answer(random_bytes(3776 - kHeaderSize, 2));
  EXPECT_EQ(take(2000), random_bytes(3776 - kHeaderSize, 2));
  EXPECT_TRUE(guest_.datagrams().empty());
}

TEST_F(TsiDatagramTest, WithoutABufferTheyWaitOnTheHost) {
  begin(with_loopback(), 0);
  guest_.set_replenish(false);
  guest_.driver().collect(Vsock::kReceive);
  // The buffers of before the reset are gone.
  create(2000, AF_INET, SOCK_DGRAM);
  send_to(2000, ipv4_bytes("127.0.0.1", port_of(server_)), "ping");
  ASSERT_TRUE(heard());
  for (int i = 0; i < 5; ++i) answer(bytes_from("pong"));
  guest_.settle();
  EXPECT_TRUE(guest_.datagrams().empty());
  guest_.offer(2);
  guest_.settle();
  EXPECT_EQ(guest_.datagrams().size(), 2u);
  guest_.offer(8);
  guest_.settle();
  EXPECT_EQ(guest_.datagrams().size(), 5u);
}

TEST_F(TsiDatagramTest, DataOfNoSocketGoesNowhere) {
  begin(with_loopback());
  say_bytes(kData, 2000, bytes_from("lost"));
  say_bytes(2000, 2000, bytes_from("lost"));
  create(2000, AF_INET, SOCK_DGRAM);
  say_bytes(kData, 2000, bytes_from("to nobody"));
  create(2001, AF_INET, SOCK_STREAM);
  send_to(2001, ipv4_bytes("127.0.0.1", port_of(server_)), "of a stream");
  EXPECT_EQ(heard(), std::nullopt);
  EXPECT_TRUE(guest_.strays().empty()) << "datagrams are never answered with RST";
}

TEST_F(TsiDatagramTest, SocketsAreLimited) {
  begin({});
  for (uint32_t port = 0; port < Tsi::kMostSockets; ++port) create(10'000 + port);
  create(2000);
  EXPECT_EQ(connect_to(2000, ipv4_bytes("10.0.0.1", 80)), -ENOBUFS);
  release(10'000);
  create(2000);
  EXPECT_EQ(connect_to(2000, ipv4_bytes("127.0.0.1", 80)), -ECONNREFUSED);
}

TEST_F(TsiDatagramTest, AnswersThatNobodyTakesAreLimited) {
  begin({}, 0);
  guest_.set_replenish(false);
  for (size_t i = 0; i < 2 * Tsi::kMostAnswers; ++i)
    say(TsiQuestion::kAccept, TsiAccept{.port = 1, .flags = 0}, kControl + static_cast<uint32_t>(i));
  guest_.set_replenish(true);
  guest_.offer(64);
  guest_.settle();
  EXPECT_EQ(guest_.datagrams().size(), Tsi::kMostAnswers);
}

TEST_F(TsiDatagramTest, AnswersThatDoNotFitTheGuestsBuffersAreDropped) {
  begin({}, 0);
  guest_.set_replenish(false);
  say(TsiQuestion::kAccept, TsiAccept{.port = 1, .flags = 0});
  guest_.offer_shaped({kHeaderSize});
  guest_.driver().kick(Vsock::kReceive);
  guest_.settle();
  EXPECT_TRUE(guest_.datagrams().empty());
  EXPECT_FALSE(guest_.driver().faulted());
}

TEST_F(TsiDatagramTest, MessagesOfAnyLengthAndContentsDoNoHarm) {
  begin({});
  std::mt19937 random(7);
  for (uint32_t question = 1024; question <= 1032; ++question) {
    for (size_t size : {0, 1, 3, 4, 7, 8, 11, 12, 135, 136, 143, 144, 200, 5000}) {
      say_bytes(question, static_cast<uint32_t>(random()), random_bytes(size, static_cast<unsigned>(random())));
      say_bytes(question, kControl, Bytes(size));
      say_bytes(question, kControl, Bytes(size, std::byte{0xff}));
    }
  }
  // More payload than there is.
  Header header;
  header.src_cid = FakeGuest::kCid;
  header.dst_cid = kHostCid;
  header.dst_port = 1025;
  header.len = UINT32_MAX;
  header.type = kTypeDatagram;
  header.op = kOpRw;
  guest_.send(header, Bytes(136));
  for (uint16_t op = 0; op < 9; ++op) {
    header.op = op;
    header.len = 0;
    guest_.send(header);
  }
  header.src_cid = 99;
  guest_.send(header);
  guest_.settle();
  EXPECT_FALSE(guest_.driver().faulted());
  EXPECT_TRUE(guest_.strays().empty());
  // It goes on as before.
  create(2000);
  EXPECT_EQ(connect_to(2000, ipv4_bytes("127.0.0.1", 80)), -ECONNREFUSED);
}

TEST_F(TsiDatagramTest, WithoutTsiTheyAreStrays) {
  create(2000);
  guest_.settle();
  EXPECT_FALSE(guest_.driver().faulted());
  ASSERT_EQ(vsock_.counters().strays, 1u);
}

}  // namespace
}  // namespace cloche::vsock
