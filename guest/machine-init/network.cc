#include "network.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <string>

#include "carrier/protocol.h"

namespace cloche::machine_init {
namespace {

constexpr int kBacklog = 128;

sockaddr_in address_of(const char* text, uint16_t port = 0) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, text, &address.sin_addr);
  return address;
}

Result<void> configure(int socket, const char* name, const char* address, const char* mask) {
  ifreq request{};
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  auto set = [&](unsigned long what, const char* text) {
    sockaddr_in value = address_of(text);
    std::memcpy(&request.ifr_addr, &value, sizeof value);
    return ::ioctl(socket, what, &request) == 0;
  };
  if (!set(SIOCSIFADDR, address) || !set(SIOCSIFNETMASK, mask))
    return fail_errno(std::string("give ") + name + " its address");
  if (::ioctl(socket, SIOCGIFFLAGS, &request) < 0) return fail_errno(std::string("look at ") + name);
  request.ifr_flags |= IFF_UP | IFF_RUNNING;
  if (::ioctl(socket, SIOCSIFFLAGS, &request) < 0) return fail_errno(std::string("bring up ") + name);
  return {};
}

}  // namespace

Result<void> bring_up_network() {
  Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("make a socket");
  TRY(configure(socket.get(), "lo", "127.0.0.1", "255.0.0.0"));
  return configure(socket.get(), "eth0", "10.0.2.15", "255.255.255.0");
}

Result<Fd> listen_for_clients() {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno("make a socket");
  // On eth0 only: what runs in the machine does not get at its agent through loopback.
  sockaddr_in address = address_of("10.0.2.15", carrier::kAgentPort);
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
    return fail_errno("bind the agent's port");
  if (::listen(socket.get(), kBacklog) < 0) return fail_errno("listen");
  return socket;
}

}  // namespace cloche::machine_init
