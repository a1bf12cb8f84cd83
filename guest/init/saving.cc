#include "guest/init/saving.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "guest/init/control.h"
#include "guest/init/disks.h"

namespace cloche::init {
namespace {

// A process that was killed goes as soon as the system call that it is in lets it; the VM's end waits no longer.
constexpr int kMostWaitMs = 1000, kLookMs = 2;
constexpr int kPatienceMs = 2000;  // What had reached the device before it stopped is long done.
constexpr int kAskMs = 500;
constexpr size_t kChildStack = 64 << 10;
constexpr int kMostDevices = 100;               // cloche's VMs have fewer, and two digits are enough.
constexpr unsigned kNeedsReset = 0x40;          // virtio 1.2, section 2.1
constexpr const char* kRest = "a file system";  // Where no disk is to blame.

// The path of a file, put together without the heap, which gives nothing back.
class Path {
 public:
  Path& operator<<(std::string_view text) {
    size_t fits = std::min(text.size(), sizeof text_ - 1 - size_);
    std::memcpy(text_ + size_, text.data(), fits);
    size_ += fits;
    return *this;
  }
  const char* get() const { return text_; }

 private:
  char text_[64] = {};
  size_t size_ = 0;
};

// Of sysfs, with a device's status: "0x0000004f".
bool needs_reset(const Path& path) {
  char text[16] = {};
  int fd = ::open(path.get(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t got = ::read(fd, text, sizeof text);
  ::close(fd);
  unsigned status = 0;
  for (ssize_t at = 2; at < got; ++at) {
    char digit = text[at];
    if (digit >= '0' && digit <= '9')
      status = status * 16 + static_cast<unsigned>(digit - '0');
    else if (digit >= 'a' && digit <= 'f')
      status = status * 16 + static_cast<unsigned>(digit - 'a') + 10;
  }
  return (status & kNeedsReset) != 0;
}

struct Pending {
  const Saving* saving;
  pid_t process;
  uint64_t stopped_ns = 0;  // When its disk was found to have.
};

int save_one(void* argument) {
  const Saving& saving = *static_cast<const Saving*>(argument);
  saving.save(saving.path);
  ::_exit(0);
}

// The child has its own memory, the stack in it too.
std::vector<Pending> begin(const std::vector<Saving>& all) {
  alignas(16) static char stack[kChildStack];
  std::vector<Pending> pending;
  for (const Saving& each : all) {
    pid_t process = ::clone(save_one, stack + sizeof stack, SIGCHLD, const_cast<Saving*>(&each));
    if (process < 0)
      each.save(each.path);
    else
      pending.push_back({&each, process});
  }
  return pending;
}

void reap(std::vector<Pending>& pending) {
  for (pid_t ended; (ended = ::waitpid(-1, nullptr, WNOHANG)) > 0;)
    std::erase_if(pending, [ended](const Pending& each) { return each.process == ended; });
}

void add_name(std::string& names, const std::string& disk) {
  std::string name = disk.empty() ? kRest : "/dev/" + disk;
  if (names.find(name) != std::string::npos || (disk.empty() && !names.empty())) return;
  if (!names.empty()) names += ", ";
  names += name;
}

// Takes those out that will not end.
void give_up(std::vector<Pending>& pending, bool (*stopped)(const std::string& disk), int patience_ms,
             std::string& names) {
  // What may wait for any disk may wait for one that is still at work.
  bool is_last = std::ranges::all_of(pending, [](const Pending& each) { return each.saving->disk.empty(); });
  uint64_t now_ns = monotonic_ns();
  for (Pending& each : pending)
    if (each.stopped_ns == 0 && (is_last || !each.saving->disk.empty()) && stopped(each.saving->disk))
      each.stopped_ns = now_ns;
  std::erase_if(pending, [&](const Pending& each) {
    bool late = each.stopped_ns != 0 && now_ns - each.stopped_ns >= static_cast<uint64_t>(patience_ms) * 1'000'000;
    if (late) add_name(names, each.saving->disk);
    return late;
  });
}

void save_file_system(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ::syscall(SYS_syncfs, fd);
  ::mount(nullptr, path.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr);
}

// What a program wrote to the device itself. A flush is no part of it, as in sync(2): the VM's process has it then.
void save_device(const std::string& path) {
  constexpr unsigned kWriteAndWait = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  ::syscall(SYS_sync_file_range, fd, 0L, 0L, static_cast<long>(kWriteAndWait));
}

void save_the_rest(const std::string&) { ::sync(); }

void end_all_processes() {
  ::kill(-1, SIGKILL);
  for (int waited_ms = 0; waited_ms < kMostWaitMs;) {
    pid_t ended = ::waitpid(-1, nullptr, WNOHANG);
    if (ended < 0) return;  // Nobody is left.
    if (ended > 0) continue;
    ::poll(nullptr, 0, kLookMs);
    waited_ms += kLookMs;
  }
}

}  // namespace

bool has_stopped(const std::string& disk) {
  if (!disk.empty()) return needs_reset(Path() << "/sys/block/" << disk << "/device/status");
  for (int number = 0; number < kMostDevices; ++number) {
    const char digits[] = {static_cast<char>('0' + number / 10), static_cast<char>('0' + number % 10)};
    std::string_view name(digits, 2);
    if (number < 10) name.remove_prefix(1);
    if (needs_reset(Path() << "/sys/bus/virtio/devices/virtio" << name << "/status")) return true;
  }
  return false;
}

std::string save_all(const std::vector<Saving>& all, bool (*stopped)(const std::string& disk), int patience_ms) {
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);
  pollfd ended{::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK), POLLIN, 0};
  std::vector<Pending> pending = begin(all);
  std::string names;
  for (reap(pending); !pending.empty(); reap(pending)) {
    signalfd_siginfo one;
    if (::poll(&ended, 1, kAskMs) > 0)
      static_cast<void>(!::read(ended.fd, &one, sizeof one));
    else
      give_up(pending, stopped, patience_ms, names);
  }
  ::close(ended.fd);
  return names;
}

std::string leave_disks_clean() {
  end_all_processes();
  std::vector<Saving> all;
  for (DiskMount& mount : disk_mounts())
    all.push_back({std::move(mount.disk), std::move(mount.path), save_file_system});
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    std::string disk = std::string("vd") + letter;
    if (::access(("/sys/block/" + disk).c_str(), F_OK) == 0) all.push_back({disk, "/dev/" + disk, save_device});
  }
  all.push_back({"", "", save_the_rest});
  return save_all(all, has_stopped, kPatienceMs);
}

}  // namespace cloche::init
