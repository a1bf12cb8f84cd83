#include "checks.h"

#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#include <cstdio>

namespace cloche::posix {
namespace {

void write_line(int fd, const std::string& line) {
  [[maybe_unused]] ssize_t put = ::write(fd, line.data(), line.size());
}

int make_socket(const std::string& path) {
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  int failed = err(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address));
  ::close(fd);
  return failed != 0 ? failed : err(::chmod(path.c_str(), 0644));
}

bool same(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

}  // namespace

std::string errno_name(int error) {
  if (error == 0) return "ok";
  const char* name = ::strerrorname_np(error);
  return name != nullptr ? name : std::to_string(error);
}

std::string octal(unsigned value) {
  char out[16];
  std::snprintf(out, sizeof out, "%#o", value);
  return out;
}

void Checks::compare(std::string_view what, std::string_view got, std::string_view expected) {
  std::string line = name_ + ": ";
  line.append(what).append(" -> ").append(got).append("\n");
  write_line(lines_, line);
  if (got == expected) {
    ++passed_;
    return;
  }
  ++failed_;
  std::string complaint = "FAIL " + name_ + ": ";
  complaint.append(what).append(" -> ").append(got).append(", not ").append(expected).append("\n");
  write_line(STDOUT_FILENO, complaint);
}

const char* name_of(Type type) {
  static constexpr const char* kNames[] = {"regular", "directory", "fifo", "socket", "symlink", "block", "character"};
  return kNames[static_cast<int>(type)];
}

int make(Type type, const std::string& path) {
  mode_t before = ::umask(0);
  const char* name = path.c_str();
  int failed = 0;
  switch (type) {
    case Type::kRegular:
      failed = File(path, O_CREAT | O_EXCL | O_WRONLY, 0644).error();
      break;
    case Type::kDirectory:
      failed = err(::mkdir(name, 0755));
      break;
    case Type::kFifo:
      failed = err(::mkfifo(name, 0644));
      break;
    case Type::kSocket:
      failed = make_socket(path);
      break;
    case Type::kSymlink:
      failed = err(::symlink("target", name));
      break;
    case Type::kBlock:
      failed = err(::mknod(name, S_IFBLK | 0644, 1 << 8 | 2));
      break;
    case Type::kCharacter:
      failed = err(::mknod(name, S_IFCHR | 0644, 1 << 8 | 2));
      break;
  }
  ::umask(before);
  return failed;
}

int remove_any(const std::string& path) {
  if (::unlink(path.c_str()) == 0) return 0;
  return errno == EISDIR ? err(::rmdir(path.c_str())) : errno;
}

void as(const Identity& who, const std::function<void()>& act) {
  // Raw calls change the thread alone, and the saved user stays root: the way back.
  ::syscall(SYS_setgroups, who.groups.size(), who.groups.data());
  ::syscall(SYS_setresgid, who.gid, who.gid, 0);
  ::syscall(SYS_setresuid, who.uid, who.uid, 0);
  act();
  ::syscall(SYS_setresuid, 0, 0, 0);
  ::syscall(SYS_setresgid, 0, 0, 0);
  ::syscall(SYS_setgroups, 0, nullptr);
}

struct stat status(const std::string& path) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) < 0) found = {};
  return found;
}

std::string owner_of(const std::string& path) {
  struct stat found = status(path);
  return std::to_string(found.st_uid) + ":" + std::to_string(found.st_gid);
}

std::string contents(const std::string& path) {
  File file(path, O_RDONLY);
  std::string all;
  char buffer[4096];
  for (ssize_t got; (got = ::read(file.fd(), buffer, sizeof buffer)) > 0;) all.append(buffer, static_cast<size_t>(got));
  return all;
}

void put(const std::string& path, std::string_view data) {
  File file(path, O_WRONLY | O_CREAT | O_TRUNC);
  [[maybe_unused]] ssize_t done = ::write(file.fd(), data.data(), data.size());
}

// File systems stamp files with a clock that ticks at 100 Hz or faster.
Moment::Moment(std::string path) : path_(std::move(path)), before_(status(path_)) {
  timespec tick{0, 11'000'000};
  ::nanosleep(&tick, nullptr);
}

std::string Moment::changed(bool with_access) const {
  struct stat now = status(path_);
  std::string all;
  auto add = [&](const char* name, bool other) {
    if (other) all.append(all.empty() ? "" : " ").append(name);
  };
  if (with_access) add("atime", !same(now.st_atim, before_.st_atim));
  add("mtime", !same(now.st_mtim, before_.st_mtim));
  add("ctime", !same(now.st_ctim, before_.st_ctim));
  return all.empty() ? "none" : all;
}

}  // namespace cloche::posix
