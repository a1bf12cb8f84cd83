// The guest's networks, and what passt is told for them.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "api/launch.h"
#include "api/plan.h"
#include "base/printable.h"

namespace cloche {
namespace {

constexpr size_t kMostNetworks = 8;  // Each is a device with an interrupt line, of which there are not many.
constexpr size_t kMostTapName = 15;  // Linux's IFNAMSIZ - 1.
constexpr size_t kMostSocketPath = 107;
constexpr uint16_t kLeastMtu = 1280, kMostMtu = 65520;
constexpr uint8_t kLocalMac = 2, kGroupMac = 1;  // Bits of an address's first byte.

// virtio 1.2, section 5.1.3.
constexpr uint64_t kCsum = 1ull << 0, kGuestCsum = 1ull << 1;
constexpr uint64_t kTakesLarge = 1ull << 7 | 1ull << 8 | 1ull << 10;
constexpr uint64_t kSendsLarge = 1ull << 11 | 1ull << 12 | 1ull << 14;
constexpr uint64_t kKnown = kCsum | kGuestCsum | kTakesLarge | kSendsLarge;

// How an error calls a network, with its place among the others.
class Complaint {
 public:
  explicit Complaint(size_t index) : index_(index) {}
  std::unexpected<Error> operator()(std::string_view field, std::string_view why) const {
    return fail(ErrorCode::kInvalidArgument, fmt::format("network {}: {}: {}", index_, field, why));
  }

 private:
  size_t index_;
};

Result<void> check_place(const Network& network, const Complaint& bad) {
  if (network.kind == NetworkKind::kPasst) {
    if (!network.path.empty() || network.fd != -1) return bad("path", "passt has none; cloche starts it itself");
    return {};
  }
  if (network.path.empty() == (network.fd == -1)) return bad("path", "needs either a path or a descriptor");
  bool is_tap = network.kind == NetworkKind::kTap;
  if (network.fd < -1) return bad("fd", fmt::format("{} is no descriptor", network.fd));
  if (is_tap && network.path.size() > kMostTapName)
    return bad("tap", fmt::format("'{}' has more than {} characters", printable(network.path), kMostTapName));
  if (is_tap && network.path.find('/') != std::string::npos)
    return bad("tap", fmt::format("'{}' is no name of an interface", printable(network.path)));
  if (!is_tap && network.path.size() > kMostSocketPath)
    return bad("path", fmt::format("'{}' has more than {} characters", printable(network.path), kMostSocketPath));
  return {};
}

Result<void> check_features(const Network& network, const Complaint& bad) {
  uint64_t features = network.features.value_or(0);
  if ((features & ~kKnown) != 0)
    return bad("features", fmt::format("{:#x} has bits that are not known", features & ~kKnown));
  if ((features & kTakesLarge) != 0 && (features & kGuestCsum) == 0)
    return bad("features", "GUEST_TSO4, GUEST_TSO6 and GUEST_UFO need GUEST_CSUM");
  if ((features & kSendsLarge) != 0 && (features & kCsum) == 0)
    return bad("features", "HOST_TSO4, HOST_TSO6 and HOST_UFO need CSUM");
  if (network.mtu != 0 && (network.mtu < kLeastMtu || network.mtu > kMostMtu))
    return bad("MTU", fmt::format("{} is not one of {} to {}", network.mtu, kLeastMtu, kMostMtu));
  if (network.mac && ((*network.mac)[0] & kGroupMac) != 0) return bad("MAC", "it is the address of a group");
  if (network.greeting == DatagramGreeting::kVfkit && network.kind != NetworkKind::kDatagram)
    return bad("vfkit", "only a datagram socket's peer is greeted");
  return {};
}

std::string_view name_of(PortProtocol protocol) { return protocol == PortProtocol::kTcp ? "tcp" : "udp"; }

bool is_loopback(const in_addr& address) { return ntohl(address.s_addr) >> 24 == 127; }

Result<void> check_ports(const Network& network, const Complaint& bad) {
  if (!network.ports.empty() && network.kind != NetworkKind::kPasst)
    return bad("ports", "only passt publishes ports; elsewhere it is up to whoever is at the other end");
  std::set<std::tuple<std::string, PortProtocol, uint16_t>> seen;
  for (const PublishedPort& port : network.ports) {
    in_addr address{};
    if (port.host_port == 0 || port.guest_port == 0) return bad("ports", "a port is one of 1 to 65535");
    if (::inet_pton(AF_INET, port.address.c_str(), &address) != 1)
      return bad("ports", fmt::format("'{}' is no IPv4 address", printable(port.address)));
    // passt gives a caller from the loopback the gateway's address, and with --no-map-gw the answers would go there.
    if (port.protocol == PortProtocol::kUdp && is_loopback(address))
      return bad("ports", fmt::format("{}/udp: answers from the guest do not reach callers at a loopback address; name "
                                      "another one of the host's, or all, as 0.0.0.0:{}:{}/udp",
                                      port.host_port, port.host_port, port.guest_port));
    if (!seen.emplace(port.address, port.protocol, port.host_port).second)
      return bad("ports",
                 fmt::format("port {}/{} of the host is published twice", port.host_port, name_of(port.protocol)));
  }
  return {};
}

Result<std::array<uint8_t, 6>> make_mac() {
  std::array<uint8_t, 6> mac;
  if (::getrandom(mac.data(), mac.size(), 0) != static_cast<ssize_t>(mac.size())) return fail_errno("get random bytes");
  mac[0] = static_cast<uint8_t>((mac[0] & ~kGroupMac) | kLocalMac);
  return mac;
}

Result<std::string> find_passt() {
  const char* set = std::getenv("PATH");
  std::string places = std::string(set != nullptr ? set : "") + ":/usr/bin:/usr/local/bin:/bin";
  for (size_t from = 0; from < places.size();) {
    size_t to = std::min(places.find(':', from), places.size());
    std::string program = places.substr(from, to - from) + "/passt";
    if (program[0] == '/' && ::access(program.c_str(), X_OK) == 0) return program;
    from = to + 1;
  }
  return fail(ErrorCode::kUnavailable, "passt, which gives guests a network, is not installed: apt-get install passt");
}

// The gateway's address would be the host's own loopback, with all that listens there and trusts whoever gets at it.
std::vector<std::string> passt_arguments(const Network& network) {
  std::vector<std::string> arguments{"--foreground", "--quiet", "--no-map-gw"};
  if (network.mtu != 0) {
    arguments.emplace_back("--mtu");
    arguments.push_back(fmt::format("{}", network.mtu));
  }
  for (const PublishedPort& port : network.ports) {
    arguments.emplace_back(port.protocol == PortProtocol::kTcp ? "--tcp-ports" : "--udp-ports");
    arguments.push_back(fmt::format("{}/{}:{}", port.address, port.host_port, port.guest_port));
  }
  return arguments;
}

Result<void> plan_one(const Network& network, size_t index, Plan& plan) {
  Complaint bad(index);
  TRY(check_place(network, bad));
  TRY(check_features(network, bad));
  TRY(check_ports(network, bad));
  wire::VmNetwork planned{.kind = static_cast<wire::VmNetworkKind>(network.kind),
                          .path = network.path,
                          .greets = network.greeting == DatagramGreeting::kVfkit,
                          .mac = network.mac ? *network.mac : TRY(make_mac()),
                          .offloads = network.features.value_or(network.kind == NetworkKind::kTap ? kKnown : kCsum),
                          .mtu = network.mtu};
  if (network.kind == NetworkKind::kPasst) {
    planned.path = TRY(find_passt());
    planned.arguments = passt_arguments(network);
  }
  if (network.fd != -1) {
    planned.fd = kFirstPassed + static_cast<int>(plan.descriptors.size());
    plan.descriptors.push_back(network.fd);
  }
  plan.vm.networks.push_back(std::move(planned));
  plan.vm.start.interfaces.push_back({.has_dhcp = network.dhcp == Dhcp::kOn});
  return {};
}

}  // namespace

Result<void> plan_networks(const Config& config, Plan& plan) {
  if (config.networks.size() > kMostNetworks)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("networks: {}, and {} are the most", config.networks.size(), kMostNetworks));
  for (size_t index = 0; index < config.networks.size(); ++index) TRY(plan_one(config.networks[index], index, plan));
  return {};
}

static_assert(static_cast<int>(NetworkKind::kTap) == static_cast<int>(wire::VmNetworkKind::kTap));

}  // namespace cloche
