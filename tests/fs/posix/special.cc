// Named pipes and sockets between processes, O_TMPFILE, ioctls.
#include "checks.h"

#include <linux/fs.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

namespace cloche::posix {
namespace {

void pipes(Checks& check) {
  check.ok("mkfifo", err(::mkfifo("fifo", 0644)));
  pid_t child = ::fork();
  if (child == 0) {
    File out("fifo", O_WRONLY);
    [[maybe_unused]] ssize_t done = ::write(out.fd(), "through", 7);
    ::_exit(0);
  }
  check.text("what came", contents("fifo"), "through");
  ::waitpid(child, nullptr, 0);
}

void sockets(Checks& check) {
  int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), client = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = "socket"};
  auto* to = reinterpret_cast<sockaddr*>(&address);
  check.ok("bind", err(::bind(server, to, sizeof address)));
  check.yes("a socket", S_ISSOCK(status("socket").st_mode));
  check.is("bind again", err(::bind(client, to, sizeof address)), EADDRINUSE);
  check.is("nobody listens", err(::connect(client, to, sizeof address)), ECONNREFUSED);
  check.ok("listen", err(::listen(server, 1)));
  check.ok("connect", err(::connect(client, to, sizeof address)));
  int peer = ::accept(server, nullptr, nullptr);
  char got[8]{};
  check.equal("write", ::write(client, "hello", 5), 5);
  check.equal("read", ::read(peer, got, 8), 5);
  check.text("data", got, "hello");
  for (int fd : {server, client, peer}) ::close(fd);
}

void nameless(Checks& check) {
  File file(".", O_TMPFILE | O_RDWR, 0640);
  check.ok("open", file.error());
  struct stat now{};
  ::fstat(file.fd(), &now);
  check.text("mode", octal(now.st_mode), octal(S_IFREG | 0640));
  check.equal("links", now.st_nlink, 0);
  check.equal("write", ::write(file.fd(), "data", 4), 4);
  std::string path = "/proc/self/fd/" + std::to_string(file.fd());
  check.ok("link", err(::linkat(AT_FDCWD, path.c_str(), AT_FDCWD, "named", AT_SYMLINK_FOLLOW)));
  check.text("contents", contents("named"), "data");
  check.equal("links", status("named").st_nlink, 1);
  File hidden(".", O_TMPFILE | O_EXCL | O_RDWR, 0600);
  path = "/proc/self/fd/" + std::to_string(hidden.fd());
  check.is("exclusive ones get no name", err(::linkat(AT_FDCWD, path.c_str(), AT_FDCWD, "n2", AT_SYMLINK_FOLLOW)),
           ENOENT);
  check.is("in a file", File("named", O_TMPFILE | O_RDWR).error(), ENOTDIR);
}

void polls(Checks& check) {
  put("file", "data");
  File file("file", O_RDWR);
  pollfd ask{file.fd(), POLLIN | POLLOUT, 0};
  check.equal("ready", ::poll(&ask, 1, 0), 1);
  check.equal("to read and write", ask.revents, POLLIN | POLLOUT);
}

void ioctls(Checks& check) {
  put("file", "data");
  File file("file", O_RDWR);
  int left = 0;
  check.ok("FIONREAD", err(::ioctl(file.fd(), FIONREAD, &left)));
  check.equal("bytes", left, 4);
  int size = 0;
  check.ok("FIGETBSZ", err(::ioctl(file.fd(), FIGETBSZ, &size)));
  check.is("of a terminal", err(::ioctl(file.fd(), 0x5413, &size)), ENOTTY);
  check.is("of a disk", err(::ioctl(file.fd(), BLKGETSIZE64, &size)), ENOTTY);
}

}  // namespace

std::vector<Case> special_cases() {
  return {{"special_pipes", Needs::kNothing, pipes},
          {"special_sockets", Needs::kNothing, sockets},
          {"special_nameless", Needs::kTmpfile, nameless},
          {"special_polls", Needs::kNothing, polls},
          {"special_ioctls", Needs::kNothing, ioctls}};
}

}  // namespace cloche::posix
