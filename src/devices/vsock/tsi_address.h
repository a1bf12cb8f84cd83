// TsiAddress: a socket's address as a guest's program gave it, checked.
#pragma once

#include <netinet/in.h>
#include <sys/un.h>

#include <optional>
#include <string_view>

#include "devices/vsock/tsi_message.h"

namespace cloche::vsock {

class TsiAddress {
 public:
  // Nothing: it is no whole address of `family`. What of an IPv6 address only means something in the guest, as the
  // number of its interface, is left out.
  static std::optional<TsiAddress> read(sa_family_t family, const TsiAddressBytes& from);
  // Of a socket of ours.
  static std::optional<TsiAddress> name_of(int socket);
  static std::optional<TsiAddress> peer_of(int socket);

  const sockaddr* get() const { return &any_.generic; }
  socklen_t size() const { return size_; }
  sa_family_t family() const { return any_.generic.sa_family; }
  void write(TsiAddressBytes& to) const;

  // The rest is for IPv4 and IPv6.
  uint16_t port() const;
  void set_port(uint16_t port);
  bool is_unspecified() const;
  // It leads to this host by its loopback; an unspecified one does too.
  bool is_loopback() const;
  // Becomes this IPv4 address, in an IPv6 one where it is that; INADDR_ANY becomes the unspecified one.
  void set_ipv4(in_addr address);

  // For UNIX: without the NUL at its end. Empty: an abstract name, or none.
  std::string_view path() const;
  bool is_abstract() const;

 private:
  // The IPv4 address that it is or holds, in host order.
  std::optional<uint32_t> ipv4() const;

  union Any {
    sockaddr generic;
    sockaddr_in in;
    sockaddr_in6 in6;
    sockaddr_un un;
  };
  Any any_{};
  socklen_t size_ = 0;
};

}  // namespace cloche::vsock
