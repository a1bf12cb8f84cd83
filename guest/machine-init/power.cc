#include "power.h"

#include <fcntl.h>
#include <linux/rtc.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

namespace cloche::machine_init {
namespace {

constexpr timespec kTick{.tv_sec = 0, .tv_nsec = 20'000'000};
constexpr int kGraceTicks = 50;  // One second between SIGTERM and SIGKILL.

}  // namespace

uint64_t host_seconds() {
  auto clock = open_file("/dev/rtc0", O_RDONLY);
  rtc_time now{};
  if (clock && ::ioctl(clock->get(), RTC_RD_TIME, &now) == 0) {
    tm broken{};
    broken.tm_sec = now.tm_sec;
    broken.tm_min = now.tm_min;
    broken.tm_hour = now.tm_hour;
    broken.tm_mday = now.tm_mday;
    broken.tm_mon = now.tm_mon;
    broken.tm_year = now.tm_year;
    return static_cast<uint64_t>(::timegm(&broken));
  }
  timespec monotonic{};
  ::clock_gettime(CLOCK_MONOTONIC, &monotonic);
  return static_cast<uint64_t>(monotonic.tv_sec);
}

void power_off() {
  ::kill(-1, SIGTERM);
  ::kill(-1, SIGCONT);
  for (int i = 0; i < kGraceTicks; ++i) {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    if (::kill(-1, 0) < 0) break;  // Nobody is left.
    ::nanosleep(&kTick, nullptr);
  }
  ::kill(-1, SIGKILL);
  ::sync();
  for (;;) {
    ::reboot(RB_POWER_OFF);
    ::nanosleep(&kTick, nullptr);
  }
}

}  // namespace cloche::machine_init
