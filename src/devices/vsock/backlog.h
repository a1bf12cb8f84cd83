// Backlog: what the guest sent on one stream and the host's end did not take yet.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <memory>
#include <span>

namespace cloche::vsock {

// A byte ring of fixed size. Holds memory only while there is something in it.
class Backlog {
 public:
  // What the guest may send ahead of the host's reader, and so the most a stream costs us. Linux guests send no further
  // ahead than 256 KiB themselves, so more would not be used.
  static constexpr size_t kSize = 256 << 10;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  void append(std::span<const std::byte> bytes);  // Must fit.
  // All that is in it, oldest first: one piece, or two where it wraps.
  struct Pieces {
    std::array<iovec, 2> each;
    size_t count;
  };
  Pieces pieces() const;
  void consume(size_t size);
  void clear() { consume(size_); }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  size_t begin_ = 0;
  size_t size_ = 0;
};

}  // namespace cloche::vsock
