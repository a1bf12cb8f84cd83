// Signals as something to wait for: what `cloche run` is sent, it passes on.
#pragma once

#include <optional>

#include "cloche/result.h"

namespace cloche::cli {

// From create() on, the signals that end or inform a program are held back and come out of next(). Those that were
// ignored when we were started (nohup, a shell's background jobs) stay ignored. One per process.
class Signals {
 public:
  static Result<Signals> create();
  Signals(Signals&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Signals& operator=(Signals&&) = delete;
  ~Signals();

  int fd() const { return fd_; }    // Readable when there is one.
  std::optional<int> next() const;  // Does not wait.

 private:
  explicit Signals(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace cloche::cli
