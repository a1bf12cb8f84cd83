#include "guest/init/network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "guest/init/control.h"

namespace cloche::init {
namespace {

// A server next door answers within a millisecond or so, but the first question may come before it listens.
constexpr uint64_t kFirstPauseNs = 100'000'000, kLongestPauseNs = 2'000'000'000, kPatienceNs = 15'000'000'000;
constexpr uint16_t kLeastMtu = 1280, kMostMtu = 65520;  // Of IPv6; of what Linux takes for an Ethernet.
constexpr const char* kResolvConf = "/etc/resolv.conf";
constexpr const char* kScratchFile = "/dev/shm/.resolv.conf";

ifreq request_for(const std::string& name) {
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), std::min<size_t>(name.size(), IFNAMSIZ - 1));
  return request;
}

sockaddr address_of(const Ipv4& address) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  std::memcpy(&in.sin_addr, address.data(), address.size());
  sockaddr generic{};
  std::memcpy(&generic, &in, sizeof in);
  return generic;
}

// An ioctl on an IPv4 socket that is only there for that.
Result<void> control(unsigned long what, void* argument, const std::string& step) {
  int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return failed(step);
  int result = ::ioctl(socket, what, argument);
  int error = errno;
  ::close(socket);
  if (result < 0) return failed(step, error);
  return {};
}

Result<void> bring_up(const std::string& name) {
  ifreq request = request_for(name);
  TRY(control(SIOCGIFFLAGS, &request, "find " + name));
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  return control(SIOCSIFFLAGS, &request, "bring up " + name);
}

sockaddr_ll link_address(int index) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_IP);
  address.sll_ifindex = index;
  address.sll_halen = ETH_ALEN;
  std::memset(address.sll_addr, 0xff, ETH_ALEN);
  return address;
}

Result<void> add_route(const std::string& name, const Ipv4& to, const Ipv4& gateway, unsigned short flags) {
  std::string device = name;
  rtentry route{};
  route.rt_dst = address_of(to);
  route.rt_genmask = address_of((flags & RTF_HOST) != 0 ? Ipv4{255, 255, 255, 255} : kNoAddress);
  route.rt_gateway = address_of(gateway);
  route.rt_flags = static_cast<unsigned short>(RTF_UP | flags);
  route.rt_dev = device.data();
  auto added = control(SIOCADDRT, &route, "add a route for " + name);
  if (!added && added.error().sys_errno == EEXIST) return {};  // The first interface's is the one.
  return added;
}

// An interface that leads nowhere, with an address that stands for the guest's (RFC 5737): programs take a host that
// has none but its loopback's for one without a network, and ask no server for addresses.
Result<void> make_dummy() {
  const std::string name = "dummy0";
  ifreq request = request_for(name);
  request.ifr_addr = address_of({203, 0, 113, 1});
  TRY(control(SIOCSIFADDR, &request, "give an address to " + name));
  request.ifr_addr = address_of({255, 255, 255, 0});
  TRY(control(SIOCSIFNETMASK, &request, "set the netmask of " + name));
  return bring_up(name);
}

bool same_net(const Ipv4& one, const Ipv4& other, const Ipv4& mask) {
  for (size_t i = 0; i < one.size(); ++i)
    if (((one[i] ^ other[i]) & mask[i]) != 0) return false;
  return true;
}

Result<void> configure(const std::string& name, const DhcpLease& lease) {
  ifreq request = request_for(name);
  if (lease.mtu != 0) {
    request.ifr_mtu = std::clamp(lease.mtu, kLeastMtu, kMostMtu);
    // Where the device has a lower limit, that one stands.
    static_cast<void>(control(SIOCSIFMTU, &request, {}));
  }
  request.ifr_addr = address_of(lease.address);
  TRY(control(SIOCSIFADDR, &request, "give an address to " + name));
  Ipv4 mask = lease.mask == kNoAddress ? Ipv4{255, 255, 255, 255} : lease.mask;
  request.ifr_addr = address_of(mask);
  TRY(control(SIOCSIFNETMASK, &request, "set the netmask of " + name));
  if (lease.router == kNoAddress) return {};
  // In some clouds the router is in no network that the address belongs to.
  if (!same_net(lease.address, lease.router, mask)) TRY(add_route(name, lease.router, kNoAddress, RTF_HOST));
  return add_route(name, kNoAddress, lease.router, RTF_GATEWAY);
}

void append_number(std::string& text, unsigned number) {
  if (number >= 10) append_number(text, number / 10);
  text += static_cast<char>('0' + number % 10);
}

void append_server(std::string& text, const Ipv4& server) {
  text += "nameserver ";
  for (size_t i = 0; i < server.size(); ++i) {
    if (i != 0) text += '.';
    append_number(text, server[i]);
  }
  text += '\n';
}

bool write_file(const char* path, const std::string& text) {
  int fd = ::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0) return false;
  bool whole = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(fd);
  return whole;
}

// Over what is there, so that neither a read-only root nor a share of the host's is changed. A root without the file
// gets one, if it can.
// Whether it names a server that a guest reaches: what listens at the host's loopback is not at the guest's.
bool has_name_server() {
  std::array<char, 4096> text{};
  int fd = ::open(kResolvConf, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t size = ::read(fd, text.data(), text.size());
  ::close(fd);
  constexpr std::string_view kServer = "nameserver ";
  std::string_view rest(text.data(), size > 0 ? static_cast<size_t>(size) : 0);
  for (size_t at; (at = rest.find(kServer)) != std::string_view::npos;) {
    bool begins_line = at == 0 || rest[at - 1] == '\n';
    rest.remove_prefix(at + kServer.size());
    if (begins_line && !rest.starts_with("127.") && !rest.starts_with("::1")) return true;
  }
  return false;
}

void write_resolv_conf(const std::string& text) {
  bool bound = write_file(kScratchFile, text) && ::mount(kScratchFile, kResolvConf, nullptr, MS_BIND, nullptr) == 0;
  ::unlink(kScratchFile);
  if (!bound) write_file(kResolvConf, text);
}

}  // namespace

Result<void> Network::begin(const wire::Start& start) {
  hostname_ = start.hostname;
  resolv_conf_ = start.impersonation.resolv_conf;
  if (start.impersonation.is_on) TRY(make_dummy());
  for (size_t number = 0; number < start.interfaces.size(); ++number) {
    std::string name = "eth";
    append_number(name, static_cast<unsigned>(number));
    TRY(bring_up(name));
    if (!start.interfaces[number].has_dhcp) continue;
    Asking asking;
    asking.name = name;
    ifreq request = request_for(name);
    TRY(control(SIOCGIFHWADDR, &request, "look at " + name));
    std::memcpy(asking.client.mac.data(), request.ifr_hwaddr.sa_data, asking.client.mac.size());
    asking.client.transaction = static_cast<uint32_t>(monotonic_ns());  // Only told apart from others'.
    TRY(control(SIOCGIFINDEX, &request, "look at " + name));
    asking.index = request.ifr_ifindex;
    asking.socket = ::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_IP));
    sockaddr_ll own = link_address(asking.index);
    if (asking.socket < 0 || ::bind(asking.socket, reinterpret_cast<sockaddr*>(&own), sizeof own) < 0)
      return failed("listen on " + name);
    asking_.push_back(std::move(asking));
  }
  return ask_those_without();
}

Result<void> Network::ask_those_without() {
  for (const Asking& asking : asking_)
    if (!asking.done) TRY(ask(asking));
  return {};
}

Result<void> Network::ask(const Asking& asking) const {
  DhcpClient client = asking.client;
  client.hostname = hostname_;
  DhcpPacket packet = asking.has_offer ? make_request(client, asking.lease) : make_discover(client);
  sockaddr_ll all = link_address(asking.index);
  ssize_t put =
      ::sendto(asking.socket, packet.bytes.data(), packet.size, 0, reinterpret_cast<sockaddr*>(&all), sizeof all);
  // A full queue is a lost packet, and an interface whose other end is gone says ENETDOWN: nobody will answer then.
  if (put < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ENETDOWN) return failed("ask on " + asking.name);
  return {};
}

Result<void> Network::hear(Asking& asking) {
  std::array<std::byte, 1500> packet;
  for (ssize_t got; !asking.done && (got = ::recv(asking.socket, packet.data(), packet.size(), 0)) > 0;) {
    DhcpLease heard;
    switch (read_answer(std::span(packet).first(static_cast<size_t>(got)), asking.client, heard)) {
      case DhcpAnswer::kNone:
        break;
      case DhcpAnswer::kOffer:
        if (asking.has_offer) break;  // The first one's is good enough.
        asking.lease = heard;
        asking.has_offer = true;
        TRY(ask(asking));
        break;
      case DhcpAnswer::kRefused:
        asking.has_offer = false;
        break;
      case DhcpAnswer::kAcknowledged:
        asking.lease = heard;
        TRY(take(asking));
        break;
    }
  }
  return {};
}

Result<void> Network::take(Asking& asking) {
  asking.done = true;
  ::close(asking.socket);
  asking.socket = -1;  // Which poll() passes over.
  return configure(asking.name, asking.lease);
}

bool Network::all_done() const { return std::ranges::all_of(asking_, &Asking::done); }

Result<void> Network::finish() {
  uint64_t now = monotonic_ns(), end = now + kPatienceNs, pause = kFirstPauseNs, next = now + pause;
  std::vector<pollfd> polls(asking_.size());
  while (!all_done()) {
    for (size_t i = 0; i < polls.size(); ++i) polls[i] = {asking_[i].socket, POLLIN, 0};
    uint64_t left = next > now ? next - now : 0;
    ::poll(polls.data(), polls.size(), static_cast<int>(left / 1'000'000) + 1);
    for (Asking& asking : asking_)
      if (!asking.done) TRY(hear(asking));
    now = monotonic_ns();
    if (now < next) continue;
    if (now > end) break;
    TRY(ask_those_without());
    pause = std::min(2 * pause, kLongestPauseNs);
    next = now + pause;
  }
  std::string text;
  for (const Asking& asking : asking_) {
    if (!asking.done) return failed("get an address for " + asking.name + ": no DHCP server answers", ETIMEDOUT);
    for (size_t i = 0; i < asking.lease.dns_count; ++i) append_server(text, asking.lease.dns[i]);
  }
  if (!text.empty()) write_resolv_conf(text);
  if (text.empty() && !resolv_conf_.empty() && !has_name_server()) write_resolv_conf(resolv_conf_);
  return {};
}

}  // namespace cloche::init
