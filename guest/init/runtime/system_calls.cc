// The system calls that cloche-init makes, under the names and with the conventions of the C library.
#include <fcntl.h>
#include <grp.h>
#include <linux/reboot.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>

#include "guest/init/runtime/x86_64/system_call.h"

namespace {

constexpr size_t kKernelSignalSet = 8;  // Bytes; the C library's sigset_t is larger.

int the_errno = 0;  // One thread.

long argument(long value) { return value; }
long argument(const volatile void* value) { return reinterpret_cast<long>(value); }

// Makes the call and turns -errno into -1 and errno, as the C library does.
template <typename Result = int, typename... Values>
Result checked(long number, Values... values) {
  long result = cloche::init::runtime::call(number, {argument(values)...});
  if (result < 0 && result > -4096) {
    the_errno = static_cast<int>(-result);
    result = -1;
  }
  return static_cast<Result>(result);
}

}  // namespace

extern "C" {

long cloche_raw_clone(int (*function)(void*), void* stack, long flags, void* argument);

int* __errno_location() noexcept { return &the_errno; }

long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  cloche::init::runtime::Arguments arguments;
  for (long& each : arguments) each = va_arg(list, long);
  va_end(list);
  long result = cloche::init::runtime::call(number, arguments);
  if (result >= 0 || result <= -4096) return result;
  the_errno = static_cast<int>(-result);
  return -1;
}

// Files.
int open(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  auto mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  return checked(SYS_openat, AT_FDCWD, path, flags, mode);
}
int close(int fd) { return checked(SYS_close, fd); }
ssize_t read(int fd, void* to, size_t size) { return checked<ssize_t>(SYS_read, fd, to, static_cast<long>(size)); }
ssize_t write(int fd, const void* from, size_t size) {
  return checked<ssize_t>(SYS_write, fd, from, static_cast<long>(size));
}
int stat(const char* path, struct stat* status) noexcept { return checked(SYS_newfstatat, AT_FDCWD, path, status, 0); }
int access(const char* path, int mode) noexcept { return checked(SYS_faccessat, AT_FDCWD, path, mode); }
int mkdir(const char* path, mode_t mode) noexcept { return checked(SYS_mkdirat, AT_FDCWD, path, mode); }
int chmod(const char* path, mode_t mode) noexcept { return checked(SYS_fchmodat, AT_FDCWD, path, mode); }
int fchown(int fd, uid_t owner, gid_t group) noexcept { return checked(SYS_fchown, fd, owner, group); }
int unlink(const char* path) noexcept { return checked(SYS_unlinkat, AT_FDCWD, path, 0); }
int symlink(const char* target, const char* path) noexcept { return checked(SYS_symlinkat, target, AT_FDCWD, path); }
ssize_t readlink(const char* __restrict path, char* __restrict to, size_t size) noexcept {
  return checked<ssize_t>(SYS_readlinkat, AT_FDCWD, path, to, static_cast<long>(size));
}
int chdir(const char* path) noexcept { return checked(SYS_chdir, path); }
int chroot(const char* path) noexcept { return checked(SYS_chroot, path); }
mode_t umask(mode_t mask) noexcept { return checked<mode_t>(SYS_umask, mask); }
int dup2(int fd, int target) noexcept { return fd == target ? fd : checked(SYS_dup3, fd, target, 0); }
int pipe2(int* ends, int flags) noexcept { return checked(SYS_pipe2, ends, flags); }
void sync() noexcept { checked(SYS_sync); }
int fcntl(int fd, int command, ...) {
  va_list list;
  va_start(list, command);
  long value = va_arg(list, long);
  va_end(list);
  return checked(SYS_fcntl, fd, command, value);
}
int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list list;
  va_start(list, request);
  long value = va_arg(list, long);
  va_end(list);
  return checked(SYS_ioctl, fd, static_cast<long>(request), value);
}
int poll(pollfd* polls, nfds_t count, int timeout_ms) {
  timespec timeout{timeout_ms / 1000, timeout_ms % 1000 * 1'000'000L};
  return checked(SYS_ppoll, polls, static_cast<long>(count), timeout_ms < 0 ? nullptr : &timeout, nullptr, 0);
}

// Mounts.
int mount(const char* source, const char* target, const char* type, unsigned long flags, const void* data) noexcept {
  return checked(SYS_mount, source, target, type, static_cast<long>(flags), data);
}
int umount2(const char* target, int flags) noexcept { return checked(SYS_umount2, target, flags); }

// Memory.
void* mmap(void* at, size_t size, int protection, int flags, int fd, off_t offset) noexcept {
  return reinterpret_cast<void*>(checked<long>(SYS_mmap, at, static_cast<long>(size), protection, flags, fd, offset));
}

// Sockets.
int socket(int family, int type, int protocol) noexcept { return checked(SYS_socket, family, type, protocol); }
int connect(int fd, const sockaddr* address, socklen_t size) { return checked(SYS_connect, fd, address, size); }
int bind(int fd, const sockaddr* address, socklen_t size) noexcept { return checked(SYS_bind, fd, address, size); }
int shutdown(int fd, int how) noexcept { return checked(SYS_shutdown, fd, how); }
int setsockopt(int fd, int level, int name, const void* value, socklen_t size) noexcept {
  return checked(SYS_setsockopt, fd, level, name, value, size);
}
int getsockopt(int fd, int level, int name, void* __restrict value, socklen_t* __restrict size) noexcept {
  return checked(SYS_getsockopt, fd, level, name, value, size);
}
ssize_t send(int fd, const void* from, size_t size, int flags) {
  return checked<ssize_t>(SYS_sendto, fd, from, static_cast<long>(size), flags, nullptr, 0);
}
ssize_t sendto(int fd, const void* from, size_t size, int flags, const sockaddr* to, socklen_t to_size) {
  return checked<ssize_t>(SYS_sendto, fd, from, static_cast<long>(size), flags, to, static_cast<long>(to_size));
}
ssize_t recv(int fd, void* to, size_t size, int flags) {
  return checked<ssize_t>(SYS_recvfrom, fd, to, static_cast<long>(size), flags, nullptr, nullptr);
}

// Processes.
int clone(int (*function)(void*), void* stack, int flags, void* argument, ...) noexcept {
  long pid = cloche_raw_clone(function, stack, flags, argument);
  if (pid >= 0) return static_cast<int>(pid);
  the_errno = static_cast<int>(-pid);
  return -1;
}
int execve(const char* path, char* const* arguments, char* const* environment) noexcept {
  return checked(SYS_execve, path, arguments, environment);
}
void _exit(int status) {
  for (;;) checked(SYS_exit_group, status);
}
pid_t waitpid(pid_t pid, int* status, int options) { return checked(SYS_wait4, pid, status, options, nullptr); }
int kill(pid_t pid, int number) noexcept { return checked(SYS_kill, pid, number); }
pid_t setsid() noexcept { return checked(SYS_setsid); }
int setgroups(size_t count, const gid_t* groups) noexcept {
  return checked(SYS_setgroups, static_cast<long>(count), groups);
}
int setgid(gid_t group) noexcept { return checked(SYS_setgid, group); }
int setuid(uid_t user) noexcept { return checked(SYS_setuid, user); }
int setrlimit(__rlimit_resource_t resource, const rlimit* limit) noexcept {
  return checked(SYS_prlimit64, 0, static_cast<long>(resource), limit, nullptr);
}

// Signals.
int sigemptyset(sigset_t* set) noexcept {
  *set = {};
  return 0;
}
int sigaddset(sigset_t* set, int number) noexcept {
  set->__val[0] |= 1UL << (number - 1);  // The real-time signals above 64 are not the kernel's.
  return 0;
}
int sigprocmask(int how, const sigset_t* __restrict set, sigset_t* __restrict old) noexcept {
  return checked(SYS_rt_sigprocmask, how, set, old, static_cast<long>(kKernelSignalSet));
}
int signalfd(int fd, const sigset_t* set, int flags) noexcept {
  return checked(SYS_signalfd4, fd, set, static_cast<long>(kKernelSignalSet), flags);
}
int pause() { return checked(SYS_ppoll, nullptr, 0, nullptr, nullptr, 0); }

// The machine.
int clock_gettime(clockid_t clock, timespec* now) noexcept { return checked(SYS_clock_gettime, clock, now); }
int clock_settime(clockid_t clock, const timespec* now) noexcept { return checked(SYS_clock_settime, clock, now); }
int sethostname(const char* name, size_t size) noexcept {
  return checked(SYS_sethostname, name, static_cast<long>(size));
}
int reboot(int command) noexcept {
  return checked(SYS_reboot, static_cast<long>(LINUX_REBOOT_MAGIC1), LINUX_REBOOT_MAGIC2, static_cast<long>(command));
}

}  // extern "C"
