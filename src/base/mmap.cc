#include "base/mmap.h"

#include <sys/mman.h>

#include <utility>

namespace cloche {

Result<Mmap> Mmap::anonymous(size_t size) {
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) return fail_errno("map " + std::to_string(size) + " bytes of memory");
  return Mmap(static_cast<std::byte*>(data), size);
}

Result<Mmap> Mmap::file(int fd, size_t size, size_t offset) {
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, static_cast<off_t>(offset));
  if (data == MAP_FAILED) return fail_errno("map a file of " + std::to_string(size) + " bytes");
  return Mmap(static_cast<std::byte*>(data), size);
}

Result<Mmap> Mmap::shared(int fd, size_t size, size_t offset) {
  void* data =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, static_cast<off_t>(offset));
  if (data == MAP_FAILED) return fail_errno("map " + std::to_string(size) + " bytes of shared memory");
  return Mmap(static_cast<std::byte*>(data), size);
}

Mmap::Mmap(Mmap&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Mmap& Mmap::operator=(Mmap&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Mmap::~Mmap() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace cloche
