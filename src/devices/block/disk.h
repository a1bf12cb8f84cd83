// Disk: the image behind a block device, whatever its format.
//
// Offsets and sizes are in bytes; all that a caller asks for lies within size(). Unless concurrent() says otherwise,
// one thread at a time calls it.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"

namespace cloche::block {

// Pieces of memory that one transfer reads or fills, in order. They may be the guest's: contents change at any time.
class Pieces {
 public:
  Pieces() = default;
  explicit Pieces(std::span<std::byte> one) { add(one); }
  void add(std::span<const std::byte> piece);  // Written to only where the transfer is a read.
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<const iovec> vectors() const { return vectors_; }
  // Bytes [offset, offset + size) of them.
  Pieces part(size_t offset, size_t size) const;
  // Whether each of them begins and ends at a multiple of `alignment` in memory.
  bool aligned(size_t alignment) const;
  void copy_to(std::span<std::byte> out) const;  // Both of the same size.
  void copy_from(std::span<const std::byte> in) const;
  void fill_zero() const;

 private:
  std::vector<iovec> vectors_;
  size_t size_ = 0;
};

// What becomes of the place that zeros take.
enum class Space { kKept, kGivenBack };

class Disk {
 public:
  virtual ~Disk() = default;
  virtual uint64_t size() const = 0;
  virtual Result<void> read(uint64_t offset, const Pieces& to) = 0;
  virtual Result<void> write(uint64_t offset, const Pieces& from) = 0;
  // What was written before is safe when it returns, as far as the disk's Sync goes.
  virtual Result<void> flush() = 0;
  // The contents are no longer needed; what is read there afterwards is zeros, or the old contents.
  virtual Result<void> discard(uint64_t offset, uint64_t size) = 0;
  virtual Result<void> zero(uint64_t offset, uint64_t size, Space space) = 0;

  // Brings what is kept in memory to the file, so that it outlives the process; flush() is for what outlives the host.
  virtual Result<void> settle() { return {}; }

  // As read() and write(), if it can be done without waiting for the host's disk. Nothing: it cannot, and nothing was
  // done that doing it again would harm.
  virtual std::optional<Result<void>> read_at_once(uint64_t offset, const Pieces& to);
  virtual std::optional<Result<void>> write_at_once(uint64_t offset, const Pieces& from);
  // Whether many threads may call it at the same time.
  virtual bool concurrent() const { return false; }
};

}  // namespace cloche::block
