#include "devices/vsock/backlog.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace cloche::vsock {

void Backlog::append(std::span<const std::byte> bytes) {
  assert(bytes.size() <= kSize - size_);
  if (bytes.empty()) return;
  if (!bytes_) bytes_ = std::make_unique_for_overwrite<std::byte[]>(kSize);
  size_t end = (begin_ + size_) % kSize;
  size_t first = std::min(bytes.size(), kSize - end);
  std::memcpy(&bytes_[end], bytes.data(), first);
  if (first < bytes.size()) std::memcpy(&bytes_[0], bytes.data() + first, bytes.size() - first);
  size_ += bytes.size();
}

Backlog::Pieces Backlog::pieces() const {
  if (size_ == 0) return {.each = {}, .count = 0};
  size_t first = std::min(size_, kSize - begin_);
  Pieces pieces{.each = {iovec{&bytes_[begin_], first}, iovec{&bytes_[0], size_ - first}}, .count = 2};
  if (first == size_) pieces.count = 1;
  return pieces;
}

void Backlog::consume(size_t size) {
  assert(size <= size_);
  begin_ = (begin_ + size) % kSize;
  size_ -= size;
  if (size_ != 0) return;
  begin_ = 0;
  bytes_.reset();
}

}  // namespace cloche::vsock
