// What a guest's network leads to. Without one, a guest has its own loopback and nothing else.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cloche {

enum class NetworkKind : uint8_t {
  // passt, a program of its own that cloche starts with the VM and that ends with it: what the guest connects to, it
  // connects to from the host. No privilege is needed, and the host's own loopback is not within the guest's reach.
  kPasst,
  kStream,    // A UNIX stream socket on which somebody speaks Ethernet, as passt and QEMU do.
  kDatagram,  // A UNIX datagram socket, a frame each, as gvproxy does.
  kTap,       // An interface of the host.
};

enum class PortProtocol : uint8_t { kTcp, kUdp };

// Who comes to `host_port` of the host reaches `guest_port` of the guest.
struct PublishedPort {
  uint16_t host_port = 0;
  uint16_t guest_port = 0;
  PortProtocol protocol = PortProtocol::kTcp;
  // Of the host, to listen on; "0.0.0.0" for whoever reaches it. Not one of the loopback for UDP.
  std::string address = "127.0.0.1";
};

// Whether the guest asks for an address, a route, an MTU and DNS servers before its command begins.
enum class Dhcp : uint8_t { kOn, kOff };

// What a datagram socket's peer waits for first.
enum class DatagramGreeting : uint8_t { kNone, kVfkit };

// One interface of the guest: the first is eth0, the second eth1 ...
struct Network {
  NetworkKind kind = NetworkKind::kPasst;
  // Of the socket, or the tap's name.
  std::string path{};
  // Instead of `path`: an open socket or tap of the caller, which the VM's process inherits. Not for sandboxes.
  int fd = -1;
  DatagramGreeting greeting = DatagramGreeting::kNone;
  // Without: one is made up for each start.
  std::optional<std::array<uint8_t, 6>> mac{};
  // Bits of virtio-net's features (virtio 1.2, section 5.1.3) that the guest is offered, of CSUM, GUEST_CSUM,
  // GUEST_TSO4, GUEST_TSO6, GUEST_UFO, HOST_TSO4, HOST_TSO6 and HOST_UFO. Without: all for a tap, CSUM for the rest,
  // where cloche completes checksums itself. HOST_TSO4 and HOST_TSO6 on a socket let frames through that are larger
  // than the MTU.
  std::optional<uint64_t> features{};
  // Where not 0, the guest is told, 1280 to 65520; DHCP may say otherwise.
  uint16_t mtu = 0;
  // Only for kPasst.
  std::vector<PublishedPort> ports{};
  Dhcp dhcp = Dhcp::kOn;
};

}  // namespace cloche
