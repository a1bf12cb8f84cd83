#include "guest/agent/system.h"

#include <fcntl.h>
#include <linux/random.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "base/fd.h"
#include "guest/agent/statistics.h"
#include "guest/init/failure.h"
#include "guest/init/shares.h"

namespace cloche::agent {
namespace {

using init::failed;
using namespace std::chrono_literals;

constexpr size_t kMostSeedBytes = 4096;
constexpr auto kLook = 10ms;  // Between looks whether they have ended.
constexpr auto kKilled = 2s;  // What SIGKILL does not end by then sleeps in the kernel.

// How many there are.
Result<size_t> signal_all(int number) {
  auto statistics = TRY(gather_statistics());
  for (const wire::ProcessStatistics& process : statistics.processes)
    if (process.state != 'Z') ::kill(static_cast<pid_t>(process.pid), number);
  auto lives = [](const wire::ProcessStatistics& process) { return process.state != 'Z'; };
  return static_cast<size_t>(std::ranges::count_if(statistics.processes, lives));
}

Result<void> await_end(int number, std::chrono::milliseconds limit) {
  auto until = std::chrono::steady_clock::now() + limit;
  while (TRY(signal_all(number)) > 0 && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(kLook);
  return {};
}

}  // namespace

Result<void> set_clock(uint64_t realtime_ns) {
  timespec time{static_cast<time_t>(realtime_ns / 1'000'000'000), static_cast<long>(realtime_ns % 1'000'000'000)};
  if (::clock_settime(CLOCK_REALTIME, &time) < 0) return failed("set the clock");
  return {};
}

Result<void> reseed(std::span<const std::byte> bytes) {
  if (bytes.empty() || bytes.size() > kMostSeedBytes) return failed("take in random bytes", EINVAL);
  Fd device = TRY(open_file("/dev/urandom", O_RDWR));
  std::vector<std::byte> request(sizeof(rand_pool_info) + bytes.size());
  rand_pool_info header{static_cast<int>(bytes.size() * 8), static_cast<int>(bytes.size())};
  std::memcpy(request.data(), &header, sizeof header);
  std::memcpy(request.data() + sizeof header, bytes.data(), bytes.size());
  if (::ioctl(device.get(), RNDADDENTROPY, request.data()) < 0) return failed("take in random bytes");
  if (::ioctl(device.get(), RNDRESEEDCRNG) < 0) return failed("use new random bytes");
  return {};
}

Result<void> mount_share(const wire::Mount& mount) {
  // A single file is cut out of its share in the initramfs, which is out of reach by now.
  if (mount.is_file) return failed("mount the single file " + mount.path, EOPNOTSUPP);
  std::vector<wire::Mount> mounts{mount};
  auto shares = TRY(init::Shares::stage(mounts));
  return shares.mount();
}

Result<void> end_processes(std::chrono::milliseconds grace) {
  if (grace > 0ms) {
    TRY(signal_all(SIGTERM));
    TRY(await_end(0, grace));
  }
  TRY(await_end(SIGKILL, kKilled));
  ::sync();
  return {};
}

}  // namespace cloche::agent
