#include "base/host_file.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <utility>

#include "base/self_fd.h"

namespace cloche {
namespace {

bool epoll_refuses(int fd, EventLoop& loop) {
  auto watched = loop.watch(fd, 0, [](uint32_t) {});
  loop.unwatch(fd);
  return !watched && watched.error().sys_errno == EPERM;
}

// Opening a pseudo-terminal's master anew would make a new pair.
bool is_master(int fd) {
  int number = 0;
  return ::ioctl(fd, TIOCGPTN, &number) == 0;
}

// The same pipe or terminal through an open file description of our own, so that O_NONBLOCK concerns nobody else.
// Nothing where that is refused: another user's file, no /proc, a pipe that nobody reads any more.
Fd reopen(int fd) {
  int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return {};
  // The access mode stays: a FIFO opened for both ways never ends, and that may be why it was opened so.
  auto opened = open_file(self_fd_path(fd), (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY);
  return opened ? std::move(*opened) : Fd();
}

// The front of `pieces` that holds at most `most` bytes, the last piece cut to fit.
struct Front {
  static constexpr size_t kMostPieces = 16;
  std::array<iovec, kMostPieces> each;
  size_t count = 0;
};

Front front_of(std::span<const iovec> pieces, size_t most) {
  Front front;
  for (const iovec& piece : pieces) {
    if (most == 0 || front.count == Front::kMostPieces) break;
    size_t take = std::min(most, piece.iov_len);
    front.each[front.count++] = {piece.iov_base, take};
    most -= take;
  }
  return front;
}

void drop_front(std::span<iovec>& pieces, size_t size) {
  while (!pieces.empty() && size >= pieces.front().iov_len) {
    size -= pieces.front().iov_len;
    pieces = pieces.subspan(1);
  }
  if (size == 0) return;
  assert(!pieces.empty());
  iovec& first = pieces.front();
  first = {static_cast<std::byte*>(first.iov_base) + size, first.iov_len - size};
}

// The system calls only read the pieces, but were declared without const.
msghdr message_of(std::span<const iovec> pieces) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  return message;
}

int count_of(std::span<const iovec> pieces) { return static_cast<int>(std::min<size_t>(pieces.size(), IOV_MAX)); }

}  // namespace

HostFile::HostFile(Fd fd, EventLoop& loop) : loop_(loop), fd_(std::move(fd)) {
  if (!fd_) return;
  struct stat status{};
  bool known = ::fstat(fd_.get(), &status) == 0;
  terminal_ = ::isatty(fd_.get()) == 1;
  how_ = How::kPollFirst;
  if (known && S_ISSOCK(status.st_mode)) {
    how_ = How::kSocket;
  } else if (epoll_refuses(fd_.get(), loop)) {
    how_ = How::kDirect;
  } else if ((known && S_ISFIFO(status.st_mode)) || (terminal_ && !is_master(fd_.get()))) {
    Fd own = reopen(fd_.get());
    if (!own) return;
    how_ = How::kOwn;
    fd_ = std::move(own);
  }
}

Result<void> HostFile::watch(uint32_t events, EventLoop::Callback callback) {
  if (watched_) return {};
  TRY(loop_.watch(fd_.get(), events, std::move(callback)));
  watched_ = true;
  return {};
}

void HostFile::unwatch() {
  if (std::exchange(watched_, false)) loop_.unwatch(fd_.get());
}

// Before the descriptor goes, for the file it stands for may stay open elsewhere, and would stay watched.
void HostFile::close() {
  unwatch();
  fd_.reset();
}

bool HostFile::ready_now(short events) const {
  pollfd entry{.fd = fd_.get(), .events = events, .revents = 0};
  return ::poll(&entry, 1, 0) > 0;
}

ssize_t HostFile::read_once(std::span<const iovec> into) const {
  if (how_ == How::kSocket) {
    msghdr message = message_of(into);
    return ::recvmsg(fd_.get(), &message, MSG_DONTWAIT);
  }
  if (how_ == How::kPollFirst && !ready_now(POLLIN)) {
    errno = EAGAIN;
    return -1;
  }
  return ::readv(fd_.get(), into.data(), count_of(into));
}

Transfer HostFile::read(std::span<const iovec> into) const {
  ssize_t got;
  do {
    got = read_once(into);
  } while (got < 0 && errno == EINTR);
  if (got >= 0) return {.size = static_cast<size_t>(got), .error = 0};
  // How a terminal says that its other side is gone.
  if (errno == EIO && terminal_) return {};
  return {.size = 0, .error = errno};
}

ssize_t HostFile::write_once(std::span<const iovec> from) const {
  if (how_ == How::kSocket) {
    msghdr message = message_of(from.first(static_cast<size_t>(count_of(from))));
    return ::sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  if (how_ != How::kPollFirst) return ::writev(fd_.get(), from.data(), count_of(from));
  if (!ready_now(POLLOUT)) {
    errno = EAGAIN;
    return -1;
  }
  // A pipe that is ready takes this much whole. A terminal may take less and block until it is read: only a master in
  // blocking mode, or one that could not be opened anew, gets here.
  Front front = front_of(from, PIPE_BUF);
  return ::writev(fd_.get(), front.each.data(), static_cast<int>(front.count));
}

Transfer HostFile::write(std::span<iovec>& from) const {
  Transfer done;
  drop_front(from, 0);  // Pieces of no length would look like a file that takes nothing.
  while (!from.empty()) {
    ssize_t put = write_once(from);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      done.error = put < 0 ? errno : EIO;
      break;
    }
    drop_front(from, static_cast<size_t>(put));
    done.size += static_cast<size_t>(put);
  }
  return done;
}

}  // namespace cloche
