// What a DHCP client and its server say (RFC 2131, RFC 4039), as IPv4 packets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace cloche::init {

using Ipv4 = std::array<uint8_t, 4>;
using Mac = std::array<uint8_t, 6>;
inline constexpr Ipv4 kNoAddress{};

// What a client says of itself in each message.
struct DhcpClient {
  Mac mac{};
  uint32_t transaction = 0;
  std::string_view hostname{};
};

enum class DhcpAnswer : uint8_t { kNone, kOffer, kAcknowledged, kRefused };

// What a server offers or gives.
struct DhcpLease {
  static constexpr size_t kMostServers = 3;  // The resolver uses no more.
  Ipv4 address{}, mask{}, router{}, server{};
  uint16_t mtu = 0;  // 0: not said.
  std::array<Ipv4, kMostServers> dns{};
  size_t dns_count = 0;
};

struct DhcpPacket {
  std::array<std::byte, 400> bytes{};
  size_t size = 0;
  std::span<const std::byte> used() const { return std::span(bytes).first(size); }
};

// "Who has an address for me?" Whoever can answer with the address at once may (Rapid Commit).
DhcpPacket make_discover(const DhcpClient& client);
// "I take what you have offered."
DhcpPacket make_request(const DhcpClient& client, const DhcpLease& offer);

// What an IPv4 packet, which may be anybody's, is to this client; `lease` is what it says.
DhcpAnswer read_answer(std::span<const std::byte> packet, const DhcpClient& client, DhcpLease& lease);

}  // namespace cloche::init
