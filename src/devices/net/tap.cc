#include "devices/net/tap.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace cloche::net {
namespace {

constexpr const char* kDevice = "/dev/net/tun";

Result<void> set_up(const Fd& fd) {
  int size = sizeof(Header);
  if (::ioctl(fd.get(), TUNSETVNETHDRSZ, &size) < 0) return fail_errno("set the header of a tap");
  int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) < 0) return fail_errno("set up a tap");
  return {};
}

}  // namespace

Result<Tap> Tap::open(const std::string& name) {
  ifreq request{};
  if (name.empty() || name.size() >= sizeof request.ifr_name)
    return fail(ErrorCode::kInvalidArgument, "tap " + name + ": a name has 1 to 15 characters");
  Fd fd = TRY(open_file(kDevice, O_RDWR | O_NONBLOCK));
  std::memcpy(request.ifr_name, name.data(), name.size());
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  int made = ::ioctl(fd.get(), TUNSETIFF, &request);
  if (made < 0 && errno == EINVAL) {  // It has several queues.
    request.ifr_flags |= IFF_MULTI_QUEUE;
    made = ::ioctl(fd.get(), TUNSETIFF, &request);
  }
  if (made < 0 && errno == EPERM)
    return fail(ErrorCode::kPermission, "tap " + name +
                                            ": it is not yours; root makes one for a user with: ip tuntap add dev " +
                                            name + " mode tap user NAME vnet_hdr");
  if (made < 0 && errno == EBUSY) return fail(ErrorCode::kUnavailable, "tap " + name + ": something uses it already");
  if (made < 0) return fail_errno("open tap " + name);
  TRY(set_up(fd));
  return Tap(std::move(fd));
}

Result<Tap> Tap::adopt(Fd fd) {
  ifreq request{};
  if (::ioctl(fd.get(), TUNGETIFF, &request) < 0) return fail_errno("look at a tap's descriptor");
  constexpr int kWanted = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if ((request.ifr_flags & kWanted) != kWanted)
    return fail(ErrorCode::kInvalidArgument, "a tap's descriptor: it needs IFF_TAP, IFF_NO_PI and IFF_VNET_HDR");
  TRY(set_up(fd));
  return Tap(std::move(fd));
}

// What the kernel may leave to the guest; the rest it finishes itself before we read a frame. What the guest leaves to
// the kernel stands in each packet's header.
Result<void> Tap::set_offloads(uint64_t features) {
  constexpr std::pair<uint64_t, unsigned> kTun[] = {
      {kGuestCsum, TUN_F_CSUM}, {kGuestTso4, TUN_F_TSO4}, {kGuestTso6, TUN_F_TSO6}, {kGuestUfo, TUN_F_UFO}};
  unsigned offloads = 0;
  for (auto [feature, bit] : kTun) offloads |= (features & feature) != 0 ? bit : 0;
  if (::ioctl(fd(), TUNSETOFFLOAD, offloads) == 0) return {};
  // A kernel without UFO; it sends none then.
  if (errno == EINVAL && ::ioctl(fd(), TUNSETOFFLOAD, offloads & ~unsigned{TUN_F_UFO}) == 0) return {};
  return fail_errno("set the offloads of a tap");
}

Received Tap::receive(std::span<std::byte> to) {
  ssize_t got;
  do {
    got = ::read(fd(), to.data(), to.size());
  } while (got < 0 && errno == EINTR);
  // EBADFD: the interface was removed.
  if (got < 0) return {errno == EAGAIN ? Moved::kLater : Moved::kGone};
  auto size = static_cast<size_t>(got);
  return {size < sizeof(Header) ? Moved::kDropped : Moved::kDone, size};
}

Moved Tap::send(std::span<const std::byte> packet) {
  ssize_t put;
  do {
    put = ::write(fd(), packet.data(), packet.size());
  } while (put < 0 && errno == EINTR);
  if (put >= 0) return Moved::kDone;
  if (errno == EAGAIN) return Moved::kLater;
  if (errno == EBADFD || errno == ENODEV) return Moved::kGone;
  return Moved::kDropped;  // EIO: it is down. EINVAL: the kernel's own look at the header. ENOMEM, ENOBUFS.
}

}  // namespace cloche::net
