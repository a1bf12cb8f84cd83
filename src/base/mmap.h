// A memory mapping with one owner.
#pragma once

#include <cstddef>
#include <span>

#include "base/result.h"

namespace cloche {

// Owns one mmap()ed range; unmaps it once. Move-only.
class Mmap {
 public:
  // Anonymous, private, zero, not reserved in swap: untouched pages cost nothing. `size` is rounded up to pages by the
  // kernel.
  static Result<Mmap> anonymous(size_t size);
  // `size` bytes of `fd` from `offset` (page-aligned), private and read-only. A file that shrinks under it means
  // SIGBUS.
  static Result<Mmap> file(int fd, size_t size, size_t offset = 0);

  // `size` bytes of `fd` from `offset` (page-aligned), shared with whoever else maps them.
  static Result<Mmap> shared(int fd, size_t size, size_t offset);

  Mmap() = default;
  Mmap(Mmap&& other) noexcept;
  Mmap& operator=(Mmap&& other) noexcept;
  Mmap(const Mmap&) = delete;
  Mmap& operator=(const Mmap&) = delete;
  ~Mmap();

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  std::span<std::byte> bytes() const { return {data_, size_}; }

 private:
  Mmap(std::byte* data, size_t size) : data_(data), size_(size) {}
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace cloche
