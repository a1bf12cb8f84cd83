#include "guest/init/dhcp_message.h"

#include <algorithm>
#include <cstring>

namespace cloche::init {
namespace {

constexpr size_t kIpHeader = 20, kUdpHeader = 8;
constexpr uint8_t kUdp = 17;
constexpr uint16_t kServerPort = 67, kClientPort = 68;
// Within the message (RFC 2131, section 2).
constexpr size_t kTransaction = 4, kFlags = 10, kYourAddress = 16, kHardwareAddress = 28, kCookie = 236, kOptions = 240;
constexpr size_t kLeastMessage = 300;  // What relays of BOOTP expect.
constexpr std::array<uint8_t, 4> kMagic{99, 130, 83, 99};
constexpr size_t kMostHostname = 63;

enum Option : uint8_t {
  kPad = 0,
  kMask = 1,
  kRouter = 3,
  kDns = 6,
  kHostname = 12,
  kMtu = 26,
  kRequested = 50,
  kKind = 53,
  kServer = 54,
  kWanted = 55,
  kRapidCommit = 80,
  kEnd = 255,
};
enum Kind : uint8_t { kDiscover = 1, kOffer = 2, kRequest = 3, kAck = 5, kNak = 6 };

uint16_t get16(std::span<const std::byte> bytes, size_t at) {
  return static_cast<uint16_t>(static_cast<unsigned>(bytes[at]) << 8 | static_cast<unsigned>(bytes[at + 1]));
}

uint16_t ip_checksum(std::span<const std::byte> header) {
  uint32_t sum = 0;
  for (size_t at = 0; at + 1 < header.size(); at += 2) sum += get16(header, at);
  while (sum > UINT16_MAX) sum = (sum & UINT16_MAX) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

class Writer {
 public:
  void put(uint8_t value) { packet_.bytes[packet_.size++] = std::byte{value}; }
  void put16(uint16_t value) {
    put(static_cast<uint8_t>(value >> 8));
    put(static_cast<uint8_t>(value));
  }
  void put_all(std::span<const uint8_t> values) {
    for (uint8_t value : values) put(value);
  }
  void option(Option number, std::span<const uint8_t> value) {
    put(number);
    put(static_cast<uint8_t>(value.size()));
    put_all(value);
  }
  void skip_to(size_t offset) { packet_.size = offset; }
  void set16(size_t offset, uint16_t value) {
    packet_.bytes[offset] = static_cast<std::byte>(value >> 8);
    packet_.bytes[offset + 1] = static_cast<std::byte>(value);
  }
  DhcpPacket& packet() { return packet_; }

 private:
  DhcpPacket packet_;
};

void put_headers(Writer& to) {
  to.put_all(std::array<uint8_t, 8>{0x45, 0, 0, 0, 0, 0, 0x40, 0});  // Don't fragment; the length comes last.
  to.put_all(std::array<uint8_t, 4>{64, kUdp, 0, 0});
  to.put_all(kNoAddress);
  to.put_all(Ipv4{255, 255, 255, 255});
  to.put16(kClientPort);
  to.put16(kServerPort);
  to.put16(0);
  to.put16(0);  // UDP over IPv4 needs no checksum.
}

Writer begin(const DhcpClient& client, Kind kind) {
  constexpr size_t kMessage = kIpHeader + kUdpHeader;
  Writer to;
  put_headers(to);
  to.put_all(std::array<uint8_t, 4>{1, 1, 6, 0});  // A request, over Ethernet, with addresses of six bytes.
  to.put16(static_cast<uint16_t>(client.transaction >> 16));
  to.put16(static_cast<uint16_t>(client.transaction));
  to.skip_to(kMessage + kFlags);
  to.put16(0x8000);  // Answer to everybody: nobody can reach an address that we do not have yet.
  to.skip_to(kMessage + kHardwareAddress);
  to.put_all(client.mac);
  to.skip_to(kMessage + kCookie);
  to.put_all(kMagic);
  to.option(kKind, std::array<uint8_t, 1>{kind});
  to.option(kWanted, std::array<uint8_t, 4>{kMask, kRouter, kDns, kMtu});
  std::string_view name = client.hostname.substr(0, kMostHostname);
  if (!name.empty()) to.option(kHostname, {reinterpret_cast<const uint8_t*>(name.data()), name.size()});
  return to;
}

DhcpPacket finish(Writer to) {
  to.put(kEnd);
  DhcpPacket& packet = to.packet();
  packet.size = std::max(packet.size, kIpHeader + kUdpHeader + kLeastMessage);
  to.set16(2, static_cast<uint16_t>(packet.size));
  to.set16(10, ip_checksum(packet.used().first(kIpHeader)));
  to.set16(kIpHeader + 4, static_cast<uint16_t>(packet.size - kIpHeader));
  return packet;
}

// The message in a UDP packet from a server's port to a client's; empty where it is something else.
std::span<const std::byte> message_in(std::span<const std::byte> packet) {
  if (packet.size() < kIpHeader || static_cast<uint8_t>(packet[0]) >> 4 != 4) return {};
  size_t header = (static_cast<size_t>(packet[0]) & 15) * 4, total = get16(packet, 2);
  if (header < kIpHeader || total < header + kUdpHeader || total > packet.size()) return {};
  if (packet[9] != std::byte{kUdp} || (get16(packet, 6) & 0x3fff) != 0) return {};  // Nor is a fragment one.
  auto udp = packet.subspan(header, total - header);
  size_t size = get16(udp, 4);
  if (get16(udp, 0) != kServerPort || get16(udp, 2) != kClientPort || size < kUdpHeader || size > udp.size()) return {};
  // Its checksum may be unfinished, where it comes from the same computer; Ethernet has its own.
  return udp.subspan(kUdpHeader, size - kUdpHeader);
}

bool is_for(std::span<const std::byte> message, const DhcpClient& client) {
  uint32_t transaction = static_cast<uint32_t>(get16(message, kTransaction)) << 16 | get16(message, kTransaction + 2);
  return message[0] == std::byte{2} && transaction == client.transaction &&
         std::memcmp(message.data() + kHardwareAddress, client.mac.data(), client.mac.size()) == 0 &&
         std::memcmp(message.data() + kCookie, kMagic.data(), kMagic.size()) == 0;
}

void get_address(std::span<const std::byte> value, Ipv4& address) {
  if (value.size() >= address.size()) std::memcpy(address.data(), value.data(), address.size());
}

void get_dns(std::span<const std::byte> value, DhcpLease& lease) {
  for (; value.size() >= sizeof(Ipv4) && lease.dns_count < lease.dns.size(); value = value.subspan(sizeof(Ipv4)))
    get_address(value, lease.dns[lease.dns_count++]);
}

DhcpAnswer answer_of(uint8_t kind) {
  switch (kind) {
    case kOffer:
      return DhcpAnswer::kOffer;
    case kAck:
      return DhcpAnswer::kAcknowledged;
    case kNak:
      return DhcpAnswer::kRefused;
    default:
      return DhcpAnswer::kNone;
  }
}

}  // namespace

DhcpPacket make_discover(const DhcpClient& client) {
  Writer to = begin(client, kDiscover);
  to.option(kRapidCommit, {});
  return finish(std::move(to));
}

DhcpPacket make_request(const DhcpClient& client, const DhcpLease& offer) {
  Writer to = begin(client, kRequest);
  to.option(kRequested, offer.address);
  to.option(kServer, offer.server);
  return finish(std::move(to));
}

DhcpAnswer read_answer(std::span<const std::byte> packet, const DhcpClient& client, DhcpLease& lease) {
  std::span<const std::byte> message = message_in(packet);
  if (message.size() < kOptions || !is_for(message, client)) return DhcpAnswer::kNone;
  lease = {};
  get_address(message.subspan(kYourAddress), lease.address);
  auto answer = DhcpAnswer::kNone;
  for (auto rest = message.subspan(kOptions); !rest.empty() && rest[0] != std::byte{kEnd};) {
    if (rest[0] == std::byte{kPad}) {
      rest = rest.subspan(1);
      continue;
    }
    if (rest.size() < 2 || rest.size() - 2 < static_cast<size_t>(rest[1])) break;
    auto value = rest.subspan(2, static_cast<size_t>(rest[1]));
    auto number = static_cast<uint8_t>(rest[0]);
    rest = rest.subspan(2 + value.size());
    if (number == kKind && value.size() == 1) answer = answer_of(static_cast<uint8_t>(value[0]));
    if (number == kMask) get_address(value, lease.mask);
    if (number == kRouter) get_address(value, lease.router);
    if (number == kServer) get_address(value, lease.server);
    if (number == kDns) get_dns(value, lease);
    if (number == kMtu && value.size() == 2) lease.mtu = get16(value, 0);
  }
  // Neither an offer nor a lease without an address is one.
  if (answer != DhcpAnswer::kRefused && lease.address == kNoAddress) return DhcpAnswer::kNone;
  return answer;
}

}  // namespace cloche::init
