// fcntl(2) locks of processes and of open files, flock(2).
#include "checks.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

namespace cloche::posix {
namespace {

struct flock range(short type, off_t start, off_t length) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = start;
  lock.l_len = length;
  return lock;
}

struct Bytes {
  off_t start = 0, length = 0;  // Length 0: to the end.
};

int set(int fd, short type, Bytes bytes = {}, int command = F_SETLK) {
  struct flock lock = range(type, bytes.start, bytes.length);
  int failed = err(::fcntl(fd, command, &lock));
  return failed == EACCES ? EAGAIN : failed;
}

// The value that `act` returns in another process.
template <typename Act>
int in_child(Act act) {
  pid_t child = ::fork();
  if (child == 0) ::_exit(act());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void of_processes(Checks& check) {
  put("file", "data");
  File file("file", O_RDWR);
  auto child_sets = [](short type, Bytes bytes) {
    return in_child([=] { return set(File("file", O_RDWR).fd(), type, bytes); });
  };
  check.ok("lock", set(file.fd(), F_WRLCK, {10, 10}));
  check.ok("again", set(file.fd(), F_WRLCK, {10, 10}));
  check.is("another's", child_sets(F_WRLCK, {15, 1}), EAGAIN);
  check.is("to read", child_sets(F_RDLCK, {19, 1}), EAGAIN);
  check.ok("beside it", child_sets(F_WRLCK, {20, 0}));
  check.ok("to a read lock", set(file.fd(), F_RDLCK, {10, 10}));
  check.ok("both read", child_sets(F_RDLCK, {10, 10}));
  check.is("to write", child_sets(F_WRLCK, {10, 10}), EAGAIN);
  check.ok("unlock a part", set(file.fd(), F_UNLCK, {12, 2}));
  check.ok("the part", child_sets(F_WRLCK, {12, 2}));
  int found = in_child([] {
    struct flock lock = range(F_WRLCK, 0, 0);
    ::fcntl(File("file", O_RDWR).fd(), F_GETLK, &lock);
    return lock.l_type == F_RDLCK && lock.l_start == 10 && lock.l_len == 2 && lock.l_pid == ::getppid() ? 1 : 0;
  });
  check.equal("who holds it", found, 1);
  File("file", O_RDONLY).close();
  check.ok("closing any descriptor gives all up", child_sets(F_WRLCK, {0, 0}));
  check.is("write lock of a reader", set(File("file", O_RDONLY).fd(), F_WRLCK, {0, 0}), EBADF);
  check.is("read lock of a writer", set(File("file", O_WRONLY).fd(), F_RDLCK, {0, 0}), EBADF);
  check.is("before the start", set(file.fd(), F_RDLCK, {-5, 2}), EINVAL);
}

void of_open_files(Checks& check) {
  put("file", "data");
  File one("file", O_RDWR), two("file", O_RDWR);
  check.ok("lock", set(one.fd(), F_WRLCK, {0, 0}, F_OFD_SETLK));
  check.is("another open file", set(two.fd(), F_RDLCK, {5, 1}, F_OFD_SETLK), EAGAIN);
  check.is("a process's", set(two.fd(), F_RDLCK, {5, 1}), EAGAIN);
  check.ok("in a child, the same one", in_child([&] { return set(one.fd(), F_WRLCK, {0, 0}, F_OFD_SETLK); }));
  File("file", O_RDONLY).close();
  check.is("still there", set(two.fd(), F_RDLCK, {5, 1}, F_OFD_SETLK), EAGAIN);
  one.close();
  check.ok("gone with it", set(two.fd(), F_RDLCK, {5, 1}, F_OFD_SETLK));
}

void whole_files(Checks& check) {
  put("file", "data");
  File one("file", O_RDONLY), two("file", O_RDONLY);
  check.ok("exclusive", err(::flock(one.fd(), LOCK_EX | LOCK_NB)));
  check.is("another", err(::flock(two.fd(), LOCK_SH | LOCK_NB)), EAGAIN);
  check.ok("to shared", err(::flock(one.fd(), LOCK_SH | LOCK_NB)));
  check.ok("both", err(::flock(two.fd(), LOCK_SH | LOCK_NB)));
  check.is("exclusive beside a shared one", err(::flock(two.fd(), LOCK_EX | LOCK_NB)), EAGAIN);
  one.close();
  check.ok("alone", err(::flock(two.fd(), LOCK_EX | LOCK_NB)));
  check.ok("unlock", err(::flock(two.fd(), LOCK_UN)));
  check.is("nothing", err(::flock(two.fd(), 0)), EINVAL);
}

// Waits in a child until this process gives the lock up.
template <typename Take, typename Give>
void waiting(Checks& check, const char* what, Take take, Give give) {
  int ready[2];
  [[maybe_unused]] int made = ::pipe(ready);
  pid_t child = ::fork();
  if (child == 0) {
    [[maybe_unused]] ssize_t told = ::write(ready[1], "x", 1);
    ::_exit(take());
  }
  char byte;
  [[maybe_unused]] ssize_t heard = ::read(ready[0], &byte, 1);
  ::usleep(50'000);
  int status = 0;
  check.equal(std::string(what) + " waits", ::waitpid(child, &status, WNOHANG), 0);
  give();
  ::waitpid(child, &status, 0);
  check.equal(std::string(what) + " gets it", WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
  ::close(ready[0]);
  ::close(ready[1]);
}

void waiting_for(Checks& check) {
  put("file", "data");
  File file("file", O_RDWR);
  set(file.fd(), F_WRLCK, {0, 0});
  waiting(
      check, "fcntl", [] { return set(File("file", O_RDWR).fd(), F_WRLCK, {0, 0}, F_SETLKW); },
      [&] { set(file.fd(), F_UNLCK, {0, 0}); });
  ::flock(file.fd(), LOCK_EX);
  waiting(
      check, "flock", [] { return err(::flock(File("file", O_RDWR).fd(), LOCK_SH)); },
      [&] { ::flock(file.fd(), LOCK_UN); });
}

}  // namespace

std::vector<Case> lock_cases() {
  return {{"lock_of_processes", Needs::kNothing, of_processes},
          {"lock_of_open_files", Needs::kNothing, of_open_files},
          {"lock_whole_files", Needs::kNothing, whole_files},
          {"lock_waiting", Needs::kNothing, waiting_for}};
}

}  // namespace cloche::posix
