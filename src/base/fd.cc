#include "base/fd.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

namespace cloche {
namespace {

constexpr size_t kFirstRead = 8 << 10;  // Most files that are read whole are smaller.

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void Fd::reset() {
  // Linux releases the descriptor even when close() is interrupted, so it is never retried.
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<Fd> Fd::duplicate() const {
  int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return fail_errno("duplicate a file descriptor");
  return Fd(copy);
}

Result<EventFd> EventFd::create() {
  int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return fail_errno("create an eventfd");
  return EventFd(Fd(fd));
}

void EventFd::signal() const {
  uint64_t one = 1;
  // The one failure is EAGAIN at 2^64-2 pending wake-ups, where the reader is already awake.
  while (::write(fd_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

bool EventFd::drain() const {
  uint64_t count = 0;
  ssize_t got;
  do {
    got = ::read(fd_.get(), &count, sizeof count);
  } while (got < 0 && errno == EINTR);
  return got == sizeof count;
}

Result<Fd> open_file(const std::string& path, int flags, unsigned mode) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return fail_errno("open " + path);
  return Fd(fd);
}

Result<size_t> read_full(int fd, std::span<std::byte> out) {
  size_t done = 0;
  while (done < out.size()) {
    ssize_t got = ::read(fd, out.data() + done, out.size() - done);
    if (got == 0) break;
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) {
        pollfd wait{fd, POLLIN, 0};
        ::poll(&wait, 1, -1);
        continue;
      }
      return fail_errno("read");
    }
    done += static_cast<size_t>(got);
  }
  return done;
}

Result<void> write_full(int fd, std::span<const std::byte> data) {
  while (!data.empty()) {
    ssize_t put = ::write(fd, data.data(), data.size());
    if (put < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) {
        pollfd wait{fd, POLLOUT, 0};
        ::poll(&wait, 1, -1);
        continue;
      }
      return fail_errno("write");
    }
    data = data.subspan(static_cast<size_t>(put));
  }
  return {};
}

Result<std::string> read_text_file(const std::string& path, size_t limit) {
  Fd fd = TRY(open_file(path, O_RDONLY));
  // What is small costs little, however large the limit is; and a file of /proc does not tell its size.
  std::string text;
  for (size_t done = 0;;) {
    text.resize(std::min(limit + 1, std::max(kFirstRead, 2 * done)));
    Result<size_t> got = read_full(fd.get(), std::as_writable_bytes(std::span(text).subspan(done)));
    if (!got) return std::unexpected(std::move(got).error().in(path));
    done += *got;
    if (done > limit)
      return fail(ErrorCode::kInvalidArgument, path + " is larger than " + std::to_string(limit) + " bytes");
    if (done == text.size()) continue;
    text.resize(done);
    return text;
  }
}

}  // namespace cloche
