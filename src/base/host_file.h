// Whatever descriptors a shell or a program hands over for a stream, used without ever blocking and without changing
// flags that other processes share.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/event_loop.h"
#include "base/fd.h"

namespace cloche {

// What a read or write came to: `size` bytes were moved, then `error` ended it (0: nothing did).
struct Transfer {
  size_t size = 0;
  int error = 0;  // EAGAIN: no more for now. When reading, no size and no error is the end of the file.
};

// One descriptor, for one direction. Loop thread.
class HostFile {
 public:
  // Finds out how `fd`, which may be none, can be used without blocking. What is wrong with it shows in the first
  // transfer. `loop` outlives it.
  HostFile(Fd fd, EventLoop& loop);
  ~HostFile() { close(); }
  HostFile(const HostFile&) = delete;
  HostFile& operator=(const HostFile&) = delete;

  explicit operator bool() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }
  // A regular file, /dev/null and the like: epoll refuses it, and a transfer never says EAGAIN.
  bool always_ready() const { return how_ == How::kDirect; }

  // One read into `into`, which holds at least a byte.
  Transfer read(std::span<const iovec> into) const;
  // Writes until all is written or something ends it. `from` is advanced past what was written.
  Transfer write(std::span<iovec>& from) const;

  // Calls back when there are `events`, or an error, until unwatch(). Not for what is always ready.
  Result<void> watch(uint32_t events, EventLoop::Callback callback);
  void unwatch();
  bool watched() const { return watched_; }
  void close();

 private:
  enum class How : uint8_t {
    kDirect,     // Never blocks for long.
    kSocket,     // MSG_DONTWAIT.
    kOwn,        // An open file description of our own, O_NONBLOCK.
    kPollFirst,  // Shared with others and blocking: poll() first, then no more than fits for sure.
  };

  ssize_t read_once(std::span<const iovec> into) const;
  ssize_t write_once(std::span<const iovec> from) const;
  bool ready_now(short events) const;

  EventLoop& loop_;
  Fd fd_;
  How how_ = How::kDirect;
  bool terminal_ = false;
  bool watched_ = false;
};

}  // namespace cloche
