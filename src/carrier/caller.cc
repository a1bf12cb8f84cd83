#include "carrier/caller.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <climits>

#include "base/fd.h"

namespace cloche::carrier {
namespace {

// Limits of the process's own size and files. Not RLIMIT_NPROC, MEMLOCK and such: they divide the host, not the
// machine.
constexpr uint32_t kCarriedLimits[] = {RLIMIT_CORE,   RLIMIT_CPU,   RLIMIT_DATA, RLIMIT_FSIZE,
                                       RLIMIT_NOFILE, RLIMIT_STACK, RLIMIT_AS};

// stdout and stderr are one open file (2>&1): in the machine they must be one as well, or their order is lost.
bool same_file(int left, int right) {
  struct stat one{}, other{};
  if (::fstat(left, &one) < 0 || ::fstat(right, &other) < 0 || one.st_dev != other.st_dev || one.st_ino != other.st_ino)
    return false;
  long order = ::syscall(SYS_kcmp, ::getpid(), ::getpid(), KCMP_FILE, left, right);
  if (order >= 0) return order == 0;
  return S_ISFIFO(one.st_mode) ||
         S_ISSOCK(one.st_mode);  // Some containers forbid kcmp; two writers to one pipe are as good as one.
}

StreamKind kind_of(int fd, int terminal) {
  struct stat found{}, its{};
  if (::fstat(fd, &found) < 0) return StreamKind::kClosed;
  if (terminal >= 0 && ::isatty(fd) != 0 && ::fstat(terminal, &its) == 0 && its.st_rdev == found.st_rdev)
    return StreamKind::kTerminal;
  return StreamKind::kPipe;
}

void add(uint64_t& stamp, uint64_t value) {
  for (int i = 0; i < 8; ++i) stamp = (stamp ^ (value >> (8 * i) & 0xff)) * 0x100000001b3;  // FNV-1a.
}

bool add_file(uint64_t& stamp, int directory, const char* name) {
  struct stat found{};
  bool there = ::fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) == 0;
  add(stamp, there ? found.st_ino : 0);
  add(stamp,
      there ? static_cast<uint64_t>(found.st_mtim.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(found.st_mtim.tv_nsec)
            : 0);
  return there && S_ISDIR(found.st_mode);
}

// Every directory down to `depth`: a package, or a person, that adds, removes or replaces a file changes its
// directory's time.
void add_directories(uint64_t& stamp, int parent, const char* name, int depth) {
  if (!add_file(stamp, parent, name) || depth == 0) return;
  int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR* directory = fd >= 0 ? ::fdopendir(fd) : nullptr;
  if (directory == nullptr) {
    if (fd >= 0) ::close(fd);
    return;
  }
  while (dirent* entry = ::readdir(directory)) {
    std::string_view each = entry->d_name;
    if (entry->d_type != DT_DIR || each == "." || each == "..") continue;
    if (depth == 2 && (each == "local" || each == "share")) continue;  // Not cached; and thousands of directories.
    add_directories(stamp, fd, entry->d_name, depth - 1);
  }
  ::closedir(directory);
}

}  // namespace

uint64_t system_stamp() {
  uint64_t stamp = 0xcbf29ce484222325;
  for (const char* database : {"/var/lib/dpkg/status", "/var/lib/rpm", "/usr/lib/sysimage/rpm", "/var/lib/pacman/local",
                               "/lib/apk/db", "/etc/ld.so.cache", "/usr/lib/python3/dist-packages", "/usr/share"})
    add_file(stamp, AT_FDCWD, database);
  add_directories(stamp, AT_FDCWD, "/usr", 2);
  return stamp;
}

int find_terminal() {
  for (int fd : {0, 1, 2})
    if (::isatty(fd) != 0) return fd;
  return -1;
}

Request describe_caller(std::vector<std::string> arguments, const Terminal& terminal) {
  Request request;
  request.arguments = std::move(arguments);
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) request.environment.emplace_back(*each);
  char directory[PATH_MAX];
  request.working_directory = ::getcwd(directory, sizeof directory) != nullptr ? directory : "/";
  request.uid = ::geteuid();
  request.gid = ::getegid();
  std::vector<gid_t> groups(static_cast<size_t>(std::max(0, ::getgroups(0, nullptr))));
  ::getgroups(static_cast<int>(groups.size()), groups.data());
  request.groups.assign(groups.begin(), groups.end());
  request.umask = ::umask(0);
  ::umask(request.umask);
  for (uint32_t resource : kCarriedLimits) {
    rlimit value{};
    if (::getrlimit(static_cast<__rlimit_resource>(resource), &value) == 0)
      request.limits.push_back({resource, value.rlim_cur, value.rlim_max});
  }
  for (int number = 1; number <= 64; ++number) {
    struct sigaction action{};
    if (::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN)
      request.ignored_signals |= uint64_t{1} << (number - 1);
  }
  int main_terminal = find_terminal();
  for (int fd : {0, 1, 2}) request.streams[fd] = kind_of(fd, main_terminal);
  if (request.streams[1] == StreamKind::kPipe && request.streams[2] == StreamKind::kPipe && same_file(1, 2))
    request.streams[2] = StreamKind::kAsStdout;
  request.window = terminal.window();
  request.terminal = terminal.settings();
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  request.realtime_ns = static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  request.system_stamp = system_stamp();
  return request;
}

}  // namespace cloche::carrier
