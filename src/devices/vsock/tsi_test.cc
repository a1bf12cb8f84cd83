// Impersonated TCP sockets: connections from the guest and to it, and what it may not reach.
#include "devices/vsock/tsi.h"

#include "devices/vsock/testing/tsi_test.h"

namespace cloche::vsock {
namespace {

TsiOptions publishing(uint16_t host_port, uint16_t guest_port) {
  TsiOptions options;
  options.ports = {{.address = {htonl(INADDR_LOOPBACK)}, .host_port = host_port, .guest_port = guest_port}};
  return options;
}

// A port that nobody has right now.
uint16_t free_port() { return port_of(host_socket(SOCK_STREAM)); }

TEST_F(TsiTest, DatagramsAreOfferedToAGuestThatIsImpersonated) {
  EXPECT_EQ(vsock_.features(), 1u);
  begin({});
  EXPECT_EQ(vsock_.features(), 9u);
}

TEST_F(TsiTest, ConnectsFromTheHost) {
  begin({.has_inet = true, .reaches_loopback = true, .ports = {}, .directories = {}});
  Fd server = host_socket(SOCK_STREAM);
  create(2000);
  EXPECT_EQ(connect_to(2000, ipv4_bytes("127.0.0.1", port_of(server))), 0);
  auto& stream = fetch_stream(2000);
  ASSERT_TRUE(stream.established);
  Fd peer(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(peer);
  guest_.write(stream, bytes_from("question"));
  guest_.settle();
  EXPECT_EQ(read_now(peer.get()), bytes_from("question"));
  guest_.shut_down(stream, kShutdownSend);
  guest_.settle();
  EXPECT_TRUE(at_end(peer.get())) << "the half-close gets there";
  write_now(peer.get(), bytes_from("answer"));
  guest_.settle();
  EXPECT_EQ(stream.received, bytes_from("answer"));
  ::shutdown(peer.get(), SHUT_WR);
  guest_.settle();
  EXPECT_NE(stream.host_shutdown & kShutdownSend, 0u);
}

TEST_F(TsiTest, TellsThePeersName) {
  begin({.reaches_loopback = true, .ports = {}, .directories = {}});
  Fd server = host_socket(SOCK_STREAM);
  create(2000);
  ASSERT_EQ(connect_to(2000, ipv4_bytes("127.0.0.1", port_of(server))), 0);
  fetch_stream(2000);
  say(TsiQuestion::kName, TsiName{.port = 2000, .peer_port = kTsiStreamPort, .peer = 1});
  auto payload = take(kControl);
  ASSERT_TRUE(payload && payload->size() == sizeof(TsiNameResult));
  TsiNameResult name;
  std::memcpy(&name, payload->data(), sizeof name);
  auto wanted = ipv4_bytes("127.0.0.1", port_of(server));
  EXPECT_EQ(name.result, 0u);
  EXPECT_EQ(name.address.size, wanted.size);
  EXPECT_EQ(name.address.bytes, wanted.bytes);
  say(TsiQuestion::kName, TsiName{.port = 77, .peer_port = 78, .peer = 1});
  payload = take(kControl);
  ASSERT_TRUE(payload);
  std::memcpy(&name, payload->data(), sizeof name);
  EXPECT_EQ(static_cast<int>(uint32_t{name.result}), -ENOTCONN);
}

TEST_F(TsiTest, TellsWhyAConnectFails) {
  begin({.reaches_loopback = true, .ports = {}, .directories = {}});
  create(2000);
  EXPECT_EQ(connect_to(2000, ipv4_bytes("127.0.0.1", free_port())), -ECONNREFUSED);
  EXPECT_EQ(connect_to(2999, ipv4_bytes("127.0.0.1", 1)), -ECONNREFUSED) << "a socket that it never made";
  Fd server = host_socket(SOCK_STREAM);
  EXPECT_EQ(connect_to(2000, ipv4_bytes("127.0.0.1", port_of(server))), 0) << "it may try again";
  EXPECT_TRUE(fetch_stream(2000).established);
}

TEST_F(TsiTest, StreamsThatNobodyOpenedAreRefused) {
  begin({});
  EXPECT_TRUE(fetch_stream(2000).reset);
  create(2000);
  EXPECT_TRUE(fetch_stream(2000).reset);
}

TEST_F(TsiTest, TheHostsLoopbackIsOutOfReachUnlessAllowed) {
  begin({});
  Fd server = host_socket(SOCK_STREAM);
  uint16_t port = port_of(server);
  create(2000);
  for (const char* address : {"127.0.0.1", "127.3.2.1", "0.0.0.0", "0.1.2.3"})
    EXPECT_EQ(connect_to(2000, ipv4_bytes(address, port)), -ECONNREFUSED) << address;
  create(2001, AF_INET6);
  for (const char* address : {"::1", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0"})
    EXPECT_EQ(connect_to(2001, ipv6_bytes(address, port)), -ECONNREFUSED) << address;
  EXPECT_LT(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC), 0);
}

TEST_F(TsiTest, AddressesAreChecked) {
  begin({.reaches_loopback = true, .ports = {}, .directories = {}});
  create(2000);
  TsiAddressBytes good = ipv4_bytes("127.0.0.1", 80);
  for (uint32_t size : {0u, 1u, 15u, 17u, 128u, 129u, UINT32_MAX}) {
    TsiAddressBytes bad = good;
    bad.size = size;
    EXPECT_EQ(connect_to(2000, bad), -EINVAL) << size;
  }
  EXPECT_EQ(connect_to(2000, ipv6_bytes("::1", 80)), -EINVAL);
  TsiAddressBytes odd = good;
  odd.bytes[0] = std::byte{AF_PACKET};
  EXPECT_EQ(connect_to(2000, odd), -EINVAL);
}

TEST_F(TsiTest, FamiliesThatAreNotAllowedHaveNoSockets) {
  begin({.has_inet = false, .ports = {}, .directories = {}});
  for (int family : {AF_INET, AF_INET6, AF_UNIX, AF_PACKET, AF_VSOCK, AF_NETLINK}) {
    create(2000, static_cast<uint16_t>(family));
    EXPECT_EQ(connect_to(2000, ipv4_bytes("10.0.0.1", 80)), -ECONNREFUSED) << family;
  }
}

TEST_F(TsiTest, APublishedPortIsTheHosts) {
  uint16_t port = free_port();
  begin(publishing(port, 80));
  create(2000);
  ASSERT_EQ(listen_at(2000, ipv4_bytes("0.0.0.0", 80)), 0);
  guest_.listen(2000);
  Fd client = host_client(port);
  ASSERT_TRUE(client);
  EXPECT_EQ(accept_at(2000), 0);
  auto* stream = guest_.accepted(2000);
  ASSERT_NE(stream, nullptr);
  guest_.write(*stream, bytes_from("welcome"));
  guest_.settle();
  EXPECT_EQ(read_now(client.get()), bytes_from("welcome"));
  // The name of an accepted stream's peer is asked for by both ports, and its release is not the listener's.
  say(TsiQuestion::kName, TsiName{.port = 2000, .peer_port = stream->host_port, .peer = 1});
  auto payload = take(kControl);
  TsiNameResult name;
  ASSERT_TRUE(payload && payload->size() == sizeof name);
  std::memcpy(&name, payload->data(), sizeof name);
  EXPECT_EQ(name.address.bytes, ipv4_bytes("127.0.0.1", port_of(client)).bytes);
  release(2000, stream->host_port);
  EXPECT_TRUE(host_client(port));
  release(2000);
  EXPECT_FALSE(host_client(port)) << "a listener that was released is gone";
}

TEST_F(TsiTest, OtherPortsStayInTheGuest) {
  begin(publishing(free_port(), 80));
  create(2000);
  EXPECT_EQ(listen_at(2000, ipv4_bytes("0.0.0.0", 81)), -EPERM);
  EXPECT_EQ(listen_at(2000, ipv4_bytes("0.0.0.0", 0)), -EPERM);
  EXPECT_EQ(listen_at(2999, ipv4_bytes("0.0.0.0", 80)), -EPERM);
}

TEST_F(TsiTest, EveryPortIsTheHostsWhereAllAre) {
  TsiOptions options;
  options.publishes_all = true;
  begin(std::move(options));
  uint16_t port = free_port();
  create(2000);
  EXPECT_EQ(listen_at(2000, ipv4_bytes("127.0.0.1", port)), 0);
  EXPECT_TRUE(host_client(port));
  // Another VM's, or the host's: two never share one.
  create(2001);
  EXPECT_EQ(listen_at(2001, ipv4_bytes("127.0.0.1", port)), -EADDRINUSE);
  // We are not told which port the guest's kernel has chosen.
  EXPECT_EQ(listen_at(2001, ipv4_bytes("127.0.0.1", 0)), -EPERM);
}

TEST_F(TsiTest, TheGuestFindsItsOwnListenersWithoutTheHostsLoopback) {
  uint16_t port = free_port();
  begin(publishing(port, 80));
  create(2000);
  ASSERT_EQ(listen_at(2000, ipv4_bytes("0.0.0.0", 80)), 0);
  guest_.listen(2000);
  create(2001);
  ASSERT_EQ(connect_to(2001, ipv4_bytes("127.0.0.1", 80)), 0);
  auto& client = fetch_stream(2001);
  ASSERT_TRUE(client.established);
  ASSERT_EQ(accept_at(2000), 0);
  guest_.write(*guest_.accepted(2000), bytes_from("hello"));
  guest_.settle();
  EXPECT_EQ(client.received, bytes_from("hello"));
}

TEST_F(TsiTest, IPv6ListenersServeIPv4) {
  uint16_t port = free_port();
  begin(publishing(port, 80));
  create(2000, AF_INET6);
  ASSERT_EQ(listen_at(2000, ipv6_bytes("::", 80)), 0);
  EXPECT_TRUE(host_client(port));
}

TEST_F(TsiTest, AcceptWaitsOrNot) {
  uint16_t port = free_port();
  begin(publishing(port, 80));
  create(2000);
  ASSERT_EQ(listen_at(2000, ipv4_bytes("0.0.0.0", 80)), 0);
  guest_.listen(2000);
  EXPECT_EQ(accept_at(2000, O_NONBLOCK), -EAGAIN);
  EXPECT_EQ(accept_at(2000), std::nullopt) << "nobody is there yet";
  Fd client = host_client(port);
  EXPECT_EQ(result(), 0);
  EXPECT_EQ(accept_at(2000, O_NONBLOCK), -EAGAIN);
  create(2001);
  EXPECT_EQ(accept_at(2001), -EINVAL) << "it does not listen";
  EXPECT_EQ(accept_at(2999), -EINVAL);
}

// A program that waits by edges asks once, as soon as its kernel has the stream: it must get it.
TEST_F(TsiTest, AStreamThatIsComingIsNotDenied) {
  uint16_t port = free_port();
  begin(publishing(port, 80));
  create(2000);
  ASSERT_EQ(listen_at(2000, ipv4_bytes("0.0.0.0", 80)), 0);
  Fd client = host_client(port);
  // The guest answers our request, and asks, before we look again.
  poll_loop(*loop_);
  poll_loop(*loop_);
  guest_.listen(2000);
  ASSERT_TRUE(guest_.receive());
  say(TsiQuestion::kAccept, TsiAccept{.port = 2000, .flags = O_NONBLOCK});
  EXPECT_EQ(result(), 0);
}

TEST_F(TsiTest, ClientsThatTheGuestDoesNotAcceptWaitOnTheHost) {
  uint16_t port = free_port();
  begin(publishing(port, 80));
  create(2000);
  ASSERT_EQ(listen_at(2000, ipv4_bytes("0.0.0.0", 80), 2), 0);
  guest_.listen(2000);
  Fd first = host_client(port), second = host_client(port), third = host_client(port);
  guest_.settle();
  EXPECT_EQ(vsock_.connections(), 2u);
  EXPECT_EQ(accept_at(2000), 0);
  guest_.settle();
  EXPECT_EQ(vsock_.connections(), 3u);
  EXPECT_EQ(accept_at(2000), 0);
  EXPECT_EQ(accept_at(2000), 0);
}

TEST_F(TsiTest, NothingIsLeftOfStreamsThatEnded) {
  begin({.reaches_loopback = true, .ports = {}, .directories = {}});
  Fd server = host_socket(SOCK_STREAM);
  size_t before = open_descriptors();
  for (uint32_t port = 3000; port < 3200; ++port) {
    create(port);
    ASSERT_EQ(connect_to(port, ipv4_bytes("127.0.0.1", port_of(server))), 0);
    auto& stream = fetch_stream(port);
    ASSERT_TRUE(stream.established);
    Fd peer(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
    release(port);
    guest_.shut_down(stream, kShutdownBoth);
    guest_.settle();
    ASSERT_TRUE(at_end(peer.get()));
  }
  EXPECT_EQ(open_descriptors(), before);
  EXPECT_EQ(vsock_.connections(), 0u);
}

TEST_F(TsiTest, AResetOfTheDriverForgetsEverySocket) {
  uint16_t port = free_port();
  size_t before = open_descriptors();
  begin(publishing(port, 80));
  create(2000);
  ASSERT_EQ(listen_at(2000, ipv4_bytes("0.0.0.0", 80)), 0);
  guest_.driver().reset();
  EXPECT_FALSE(host_client(port));
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace cloche::vsock
