// File descriptors with one owner each, and the plain system calls on them that must survive EINTR and short counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "base/result.h"

namespace cloche {

// Owns one file descriptor; closes it once. Move-only. -1 means none.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();

  // A second descriptor (close-on-exec) for the same open file.
  Result<Fd> duplicate() const;

 private:
  int fd_ = -1;
};

// An eventfd, non-blocking: the wake-up used between threads, and by KVM for kicks and interrupts. Any thread.
class EventFd {
 public:
  static Result<EventFd> create();
  int fd() const { return fd_.get(); }
  void signal() const;  // Adds one; never blocks.
  bool drain() const;   // Takes all; false when there was nothing.

 private:
  explicit EventFd(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

// Opens a path, close-on-exec, restarting on EINTR.
Result<Fd> open_file(const std::string& path, int flags, unsigned mode = 0);
// Reads until `out` is full or the file ends; the count read.
Result<size_t> read_full(int fd, std::span<std::byte> out);
// Writes all of it, waiting with poll where the descriptor is non-blocking.
Result<void> write_full(int fd, std::span<const std::byte> data);
// A whole file of at most `limit` bytes; longer is an error.
Result<std::string> read_text_file(const std::string& path, size_t limit = 1 << 20);

}  // namespace cloche
