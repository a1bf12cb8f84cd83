#include "devices/vsock/tsi_address.h"

#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstring>

namespace cloche::vsock {
namespace {

constexpr size_t kLeastUnix = offsetof(sockaddr_un, sun_path);

}  // namespace

std::optional<TsiAddress> TsiAddress::read(sa_family_t family, const TsiAddressBytes& from) {
  uint32_t size = from.size;
  TsiAddress address;
  switch (family) {
    case AF_INET:
      if (size != sizeof(sockaddr_in)) return std::nullopt;
      break;
    case AF_INET6:
      if (size != sizeof(sockaddr_in6)) return std::nullopt;
      break;
    case AF_UNIX:
      if (size <= kLeastUnix || size > sizeof(sockaddr_un)) return std::nullopt;
      break;
    default:
      return std::nullopt;
  }
  std::memcpy(&address.any_, from.bytes.data(), size);
  if (address.family() != family) return std::nullopt;
  if (family == AF_INET6) {
    address.any_.in6.sin6_flowinfo = 0;
    address.any_.in6.sin6_scope_id = 0;
  }
  address.size_ = size;
  return address;
}

std::optional<TsiAddress> TsiAddress::name_of(int socket) {
  TsiAddress address;
  address.size_ = sizeof address.any_;
  if (::getsockname(socket, &address.any_.generic, &address.size_) < 0) return std::nullopt;
  address.size_ = std::min<socklen_t>(address.size_, sizeof address.any_);
  return address;
}

std::optional<TsiAddress> TsiAddress::peer_of(int socket) {
  TsiAddress address;
  address.size_ = sizeof address.any_;
  if (::getpeername(socket, &address.any_.generic, &address.size_) < 0) return std::nullopt;
  address.size_ = std::min<socklen_t>(address.size_, sizeof address.any_);
  return address;
}

void TsiAddress::write(TsiAddressBytes& to) const {
  static_assert(sizeof(Any) <= kTsiAddressSize);
  to.size = size_;
  std::memcpy(to.bytes.data(), &any_, size_);
}

uint16_t TsiAddress::port() const {
  assert(family() != AF_UNIX);
  return ntohs(family() == AF_INET ? any_.in.sin_port : any_.in6.sin6_port);
}

void TsiAddress::set_port(uint16_t port) {
  assert(family() != AF_UNIX);
  (family() == AF_INET ? any_.in.sin_port : any_.in6.sin6_port) = htons(port);
}

std::optional<uint32_t> TsiAddress::ipv4() const {
  if (family() == AF_INET) return ntohl(any_.in.sin_addr.s_addr);
  if (!IN6_IS_ADDR_V4MAPPED(&any_.in6.sin6_addr)) return std::nullopt;
  in_addr held{};
  std::memcpy(&held, &any_.in6.sin6_addr.s6_addr[12], sizeof held);
  return ntohl(held.s_addr);
}

bool TsiAddress::is_unspecified() const {
  if (auto held = ipv4()) return *held == INADDR_ANY;
  return IN6_IS_ADDR_UNSPECIFIED(&any_.in6.sin6_addr);
}

bool TsiAddress::is_loopback() const {
  // All of net 0 means "this host".
  if (auto held = ipv4()) return *held >> 24 == 127 || *held >> 24 == 0;
  return IN6_IS_ADDR_UNSPECIFIED(&any_.in6.sin6_addr) || IN6_IS_ADDR_LOOPBACK(&any_.in6.sin6_addr);
}

void TsiAddress::set_ipv4(in_addr address) {
  if (family() == AF_INET) {
    any_.in.sin_addr = address;
    return;
  }
  in6_addr& to = any_.in6.sin6_addr;
  to = IN6ADDR_ANY_INIT;
  if (address.s_addr == htonl(INADDR_ANY)) return;
  to.s6_addr[10] = to.s6_addr[11] = 0xff;
  std::memcpy(&to.s6_addr[12], &address, sizeof address);
}

std::string_view TsiAddress::path() const {
  assert(family() == AF_UNIX);
  if (size_ <= kLeastUnix) return {};
  return {any_.un.sun_path, ::strnlen(any_.un.sun_path, size_ - kLeastUnix)};
}

bool TsiAddress::is_abstract() const { return size_ > kLeastUnix && any_.un.sun_path[0] == '\0'; }

}  // namespace cloche::vsock
