// The guest's vsock and its networks.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "krun/context.h"
#include "libkrun.h"

namespace cloche::krun {
namespace {

constexpr uint32_t kKnownFeatures = NET_FEATURE_CSUM | NET_FEATURE_GUEST_CSUM | NET_FEATURE_GUEST_TSO4 |
                                    NET_FEATURE_GUEST_TSO6 | NET_FEATURE_GUEST_UFO | NET_FEATURE_HOST_TSO4 |
                                    NET_FEATURE_HOST_TSO6 | NET_FEATURE_HOST_UFO;

constexpr uint32_t kTakesLarge = NET_FEATURE_GUEST_TSO4 | NET_FEATURE_GUEST_TSO6 | NET_FEATURE_GUEST_UFO;
constexpr uint32_t kSendsLarge = NET_FEATURE_HOST_TSO4 | NET_FEATURE_HOST_TSO6 | NET_FEATURE_HOST_UFO;

std::optional<std::array<uint8_t, 6>> mac_of(const uint8_t* bytes) {
  if (bytes == nullptr) return std::nullopt;
  std::array<uint8_t, 6> mac;
  std::memcpy(mac.data(), bytes, mac.size());
  return mac;
}

struct Wanted {
  uint32_t features, flags, known_flags;
};

int32_t add(uint32_t id, Network network, const uint8_t* mac, Wanted wanted) {
  return with_context(id, [&](Context& context) {
    if (mac == nullptr || (wanted.features & ~kKnownFeatures) != 0 || (wanted.flags & ~wanted.known_flags) != 0)
      return -EINVAL;
    // A segment's checksum is never there.
    bool segments = (wanted.features & kTakesLarge) != 0;
    if (segments && (wanted.features & NET_FEATURE_GUEST_CSUM) == 0) {
      if (network.kind == NetworkKind::kTap) return -EINVAL;
      wanted.features &= ~kTakesLarge;
    }
    if ((wanted.features & NET_FEATURE_CSUM) == 0) wanted.features &= ~kSendsLarge;
    network.mac = mac_of(mac);
    network.features = wanted.features;
    network.dhcp = (wanted.flags & NET_FLAG_DHCP_CLIENT) != 0 ? Dhcp::kOn : Dhcp::kOff;
    if ((wanted.flags & NET_FLAG_VFKIT) != 0) network.greeting = DatagramGreeting::kVfkit;
    context.networks.push_back(std::move(network));
    return 0;
  });
}

int32_t add_socket(uint32_t id, Network network, const uint8_t* mac, Wanted wanted) {
  if (network.path.empty() == (network.fd < 0)) return -EINVAL;
  return add(id, std::move(network), mac, wanted);
}

int32_t set_old(uint32_t id, Network network) {
  return with_context(id, [&](Context& context) {
    if (!context.networks.empty()) return -EINVAL;
    network.dhcp = Dhcp::kOff;
    network.features = COMPAT_NET_FEATURES;
    context.old_network = std::move(network);
    return 0;
  });
}

// "HOST:GUEST"
std::optional<PublishedPort> published(std::string_view text) {
  auto number = [](std::string_view digits) -> uint16_t {
    uint16_t value = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size() ? value : 0;
  };
  size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  PublishedPort port{
      .host_port = number(text.substr(0, colon)), .guest_port = number(text.substr(colon + 1)), .address = "0.0.0.0"};
  return port.host_port == 0 || port.guest_port == 0 ? std::nullopt : std::optional(port);
}

bool collides(const std::vector<PublishedPort>& ports, const PublishedPort& added) {
  return std::ranges::any_of(ports, [&](const PublishedPort& port) {
    return port.host_port == added.host_port || port.guest_port == added.guest_port;
  });
}

}  // namespace
}  // namespace cloche::krun

using namespace cloche::krun;
using cloche::NetworkKind;

extern "C" {

int32_t krun_add_vsock_port(uint32_t ctx_id, uint32_t port, const char* c_filepath) {
  return krun_add_vsock_port2(ctx_id, port, c_filepath, false);
}

int32_t krun_add_vsock_port2(uint32_t ctx_id, uint32_t port, const char* c_filepath, bool listen) {
  return with_context(ctx_id, [&](Context& context) {
    if (c_filepath == nullptr || *c_filepath == '\0') return -EINVAL;
    if (context.vsock == VsockChoice::kDisabled) return -ENODEV;
    std::error_code error;
    if (listen && std::filesystem::exists(std::filesystem::symlink_status(c_filepath, error))) return -EEXIST;
    auto listener = listen ? cloche::VsockListener::kGuest : cloche::VsockListener::kHost;
    auto same = [port](const cloche::VsockPort& other) { return other.port == port; };
    std::erase_if(context.ports, same);  // The last word counts.
    context.ports.push_back({port, c_filepath, listener});
    return 0;
  });
}

int32_t krun_disable_implicit_vsock(uint32_t ctx_id) {
  return with_context(ctx_id, [](Context& context) {
    context.vsock = VsockChoice::kDisabled;
    return 0;
  });
}

int32_t krun_add_vsock(uint32_t ctx_id, uint32_t tsi_features) {
  return with_context(ctx_id, [&](Context& context) {
    if ((tsi_features & ~(KRUN_TSI_HIJACK_INET | KRUN_TSI_HIJACK_UNIX)) != 0) return -EINVAL;
    if (context.vsock != VsockChoice::kDisabled) return -EEXIST;
    context.vsock = VsockChoice::kExplicit;
    context.tsi_features = tsi_features;
    return 0;
  });
}

int32_t krun_add_net_unixstream(uint32_t ctx_id, const char* c_path, int fd, uint8_t* const c_mac, uint32_t features,
                                uint32_t flags) {
  return add_socket(ctx_id, {.kind = NetworkKind::kStream, .path = c_path == nullptr ? "" : c_path, .fd = fd}, c_mac,
                    {features, flags, NET_FLAG_DHCP_CLIENT});
}

int32_t krun_add_net_unixgram(uint32_t ctx_id, const char* c_path, int fd, uint8_t* const c_mac, uint32_t features,
                              uint32_t flags) {
  return add_socket(ctx_id, {.kind = NetworkKind::kDatagram, .path = c_path == nullptr ? "" : c_path, .fd = fd}, c_mac,
                    {features, flags, NET_FLAG_DHCP_CLIENT | NET_FLAG_VFKIT});
}

int32_t krun_add_net_tap(uint32_t ctx_id, char* c_tap_name, uint8_t* const c_mac, uint32_t features, uint32_t flags) {
  if (c_tap_name == nullptr || *c_tap_name == '\0') return -EINVAL;
  return add(ctx_id, {.kind = NetworkKind::kTap, .path = c_tap_name}, c_mac, {features, flags, NET_FLAG_DHCP_CLIENT});
}

int32_t krun_set_passt_fd(uint32_t ctx_id, int fd) {
  if (fd < 0) return -EINVAL;
  return set_old(ctx_id, {.kind = NetworkKind::kStream, .fd = fd});
}

int32_t krun_set_gvproxy_path(uint32_t ctx_id, char* c_path) {
  if (c_path == nullptr || *c_path == '\0') return -EINVAL;
  return set_old(ctx_id,
                 {.kind = NetworkKind::kDatagram, .path = c_path, .greeting = cloche::DatagramGreeting::kVfkit});
}

int32_t krun_set_net_mac(uint32_t ctx_id, uint8_t* const c_mac) {
  return with_context(ctx_id, [&](Context& context) {
    if (c_mac == nullptr) return -EINVAL;
    context.old_mac = mac_of(c_mac);
    return 0;
  });
}

int32_t krun_set_port_map(uint32_t ctx_id, const char* const port_map[]) {
  return with_context(ctx_id, [&](Context& context) {
    if (context.vsock == VsockChoice::kDisabled) return -ENODEV;
    if (!context.networks.empty()) return -EINVAL;
    if (port_map == nullptr) {
      context.port_map.reset();
      return 0;
    }
    auto words = words_of(port_map);
    if (!words) return -EINVAL;
    std::vector<cloche::PublishedPort> ports;
    for (const std::string& word : *words) {
      auto port = published(word);
      if (!port || collides(ports, *port)) return -EINVAL;
      ports.push_back(std::move(*port));
    }
    context.port_map = std::move(ports);
    return 0;
  });
}

// It ends macOS guests.
int32_t krun_get_shutdown_eventfd(uint32_t ctx_id) {
  return with_context(ctx_id, [](Context&) { return -EINVAL; });
}

}  // extern "C"
