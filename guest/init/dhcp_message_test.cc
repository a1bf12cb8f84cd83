#include "guest/init/dhcp_message.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace cloche::init {
namespace {

using Bytes = std::vector<std::byte>;

const DhcpClient kClient{.mac = {2, 3, 4, 5, 6, 7}, .transaction = 0x12345678, .hostname = "guest"};
constexpr size_t kMessage = 28;  // Behind the headers of IP and UDP.

uint16_t sum_of(std::span<const std::byte> bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2)
    sum += static_cast<uint32_t>(bytes[i]) << 8 | static_cast<uint32_t>(bytes[i + 1]);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

std::string options_of(const DhcpPacket& packet) {
  auto rest = packet.used().subspan(kMessage + 240);
  return {reinterpret_cast<const char*>(rest.data()), rest.size()};
}

// A server's packet, made of the client's own.
Bytes answer(uint8_t kind, const std::vector<uint8_t>& options = {}) {
  DhcpPacket question = make_discover(kClient);
  Bytes packet(question.used().begin(), question.used().begin() + kMessage + 240);
  packet[20] = packet[22] = std::byte{0};
  packet[21] = std::byte{67};
  packet[23] = std::byte{68};
  packet[kMessage] = std::byte{2};
  const uint8_t address[] = {10, 0, 2, 15};
  for (size_t i = 0; i < 4; ++i) packet[kMessage + 16 + i] = std::byte{address[i]};
  for (uint8_t each : {uint8_t{53}, uint8_t{1}, kind}) packet.push_back(std::byte{each});
  for (uint8_t each : options) packet.push_back(std::byte{each});
  packet.push_back(std::byte{255});
  for (auto [at, size] : {std::pair<size_t, size_t>{2, packet.size()}, {24, packet.size() - 20}}) {
    packet[at] = static_cast<std::byte>(size >> 8);
    packet[at + 1] = static_cast<std::byte>(size);
  }
  return packet;
}

TEST(DhcpMessage, DiscoverIsAPacketThatRoutersTake) {
  DhcpPacket packet = make_discover(kClient);
  EXPECT_GE(packet.size, kMessage + 300);
  EXPECT_EQ(sum_of(packet.used().first(20)), 0xffff);
  EXPECT_EQ(packet.bytes[0], std::byte{0x45});
  EXPECT_EQ(packet.bytes[9], std::byte{17});
  std::string options = options_of(packet);
  EXPECT_EQ(options.substr(0, 3), std::string("\x35\x01\x01"));
  EXPECT_THAT(options, testing::HasSubstr(std::string("\x0c\x05guest\x50\x00\xff", 10)));
}

TEST(DhcpMessage, RequestNamesWhatWasOffered) {
  DhcpLease offer{.address = {10, 0, 2, 15}, .server = {10, 0, 2, 2}};
  std::string options = options_of(make_request(kClient, offer));
  EXPECT_EQ(options.substr(0, 3), std::string("\x35\x01\x03"));
  EXPECT_THAT(options, testing::HasSubstr(std::string("\x32\x04\x0a\x00\x02\x0f\x36\x04\x0a\x00\x02\x02\xff", 13)));
}

TEST(DhcpMessage, LongHostnameFits) {
  std::string name(300, 'x');
  DhcpClient client = kClient;
  client.hostname = name;
  DhcpPacket packet = make_request(client, {});
  EXPECT_LE(packet.size, packet.bytes.size());
  EXPECT_THAT(options_of(packet), testing::HasSubstr("\x0c\x3f" + std::string(63, 'x')));
}

TEST(DhcpMessage, LeaseIsRead) {
  DhcpLease lease;
  Bytes packet = answer(5, {1, 4,  255, 255,  255,  0, 0,  0, 3, 8, 10, 0, 2, 2, 10, 0, 2, 3, 54, 4, 10, 0, 2,
                            4, 26, 2,   0xff, 0xf0, 6, 16, 1, 1, 1, 1,  2, 2, 2, 2,  3, 3, 3, 3,  4, 4,  4, 4});
  ASSERT_EQ(read_answer(packet, kClient, lease), DhcpAnswer::kAcknowledged);
  EXPECT_EQ(lease.address, (Ipv4{10, 0, 2, 15}));
  EXPECT_EQ(lease.mask, (Ipv4{255, 255, 255, 0}));
  EXPECT_EQ(lease.router, (Ipv4{10, 0, 2, 2}));
  EXPECT_EQ(lease.server, (Ipv4{10, 0, 2, 4}));
  EXPECT_EQ(lease.mtu, 65520);
  EXPECT_EQ(lease.dns_count, 3u);
  EXPECT_EQ(lease.dns[2], (Ipv4{3, 3, 3, 3}));
}

TEST(DhcpMessage, KindsAreTold) {
  DhcpLease lease;
  EXPECT_EQ(read_answer(answer(2), kClient, lease), DhcpAnswer::kOffer);
  EXPECT_EQ(read_answer(answer(6), kClient, lease), DhcpAnswer::kRefused);
  EXPECT_EQ(read_answer(answer(1), kClient, lease), DhcpAnswer::kNone);
  EXPECT_EQ(read_answer(answer(77), kClient, lease), DhcpAnswer::kNone);
}

TEST(DhcpMessage, OthersAnswersAreNotOurs) {
  DhcpLease lease;
  for (size_t at : {size_t{0}, size_t{7}, size_t{9}, size_t{21}, size_t{23}, kMessage, kMessage + 4, kMessage + 28,
                    kMessage + 236}) {
    Bytes packet = answer(5);
    packet[at] ^= std::byte{0x24};
    EXPECT_EQ(read_answer(packet, kClient, lease), DhcpAnswer::kNone) << at;
  }
  Bytes nowhere = answer(5);
  for (size_t i = 0; i < 4; ++i) nowhere[kMessage + 16 + i] = std::byte{0};
  EXPECT_EQ(read_answer(nowhere, kClient, lease), DhcpAnswer::kNone);
}

TEST(DhcpMessage, CutAndDamagedPacketsAreSurvived) {
  DhcpLease lease;
  Bytes whole = answer(5, {1, 4, 255, 255, 255, 0, 6, 4, 1, 1, 1, 1, 26, 2, 5, 220});
  for (size_t size = 0; size < whole.size(); ++size) {
    Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));  // Its own allocation, for ASan.
    EXPECT_EQ(read_answer(cut, kClient, lease), DhcpAnswer::kNone);
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int value : {0, 1, 4, 0x7f, 0xff}) {
      Bytes damaged = whole;
      damaged[at] = static_cast<std::byte>(value);
      static_cast<void>(read_answer(damaged, kClient, lease));
      EXPECT_LE(lease.dns_count, lease.dns.size());
    }
  }
}

}  // namespace
}  // namespace cloche::init
