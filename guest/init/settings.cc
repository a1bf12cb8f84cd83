#include "guest/init/settings.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

namespace cloche::init {
namespace {

constexpr uint64_t kClockSlackNs = 100'000'000;  // More would show as files from the future on shares.
constexpr uint64_t kSecond = 1'000'000'000;

}  // namespace

void set_clock(uint64_t realtime_ns) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  uint64_t ours = static_cast<uint64_t>(now.tv_sec) * kSecond + static_cast<uint64_t>(now.tv_nsec);
  uint64_t off = ours > realtime_ns ? ours - realtime_ns : realtime_ns - ours;
  if (realtime_ns == 0 || off <= kClockSlackNs) return;
  timespec right{static_cast<time_t>(realtime_ns / kSecond), static_cast<long>(realtime_ns % kSecond)};
  ::clock_settime(CLOCK_REALTIME, &right);
}

void set_hostname(const std::string& name) {
  if (!name.empty()) ::sethostname(name.data(), name.size());
}

void bring_loopback_up() {
  int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return;  // A kernel without IPv4.
  ifreq request{};
  request.ifr_name[0] = 'l';
  request.ifr_name[1] = 'o';
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  ::ioctl(socket, SIOCSIFFLAGS, &request);
  ::close(socket);
}

}  // namespace cloche::init
