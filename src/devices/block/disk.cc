#include "devices/block/disk.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace cloche::block {

void Pieces::add(std::span<const std::byte> piece) {
  if (piece.empty()) return;
  vectors_.push_back({const_cast<std::byte*>(piece.data()), piece.size()});  // preadv and pwritev take the same struct.
  size_ += piece.size();
}

Pieces Pieces::part(size_t offset, size_t size) const {
  Pieces part;
  for (const iovec& each : vectors_) {
    if (size == 0) break;
    if (offset >= each.iov_len) {
      offset -= each.iov_len;
      continue;
    }
    size_t take = std::min(size, each.iov_len - offset);
    part.add({static_cast<std::byte*>(each.iov_base) + offset, take});
    size -= take;
    offset = 0;
  }
  return part;
}

bool Pieces::aligned(size_t alignment) const {
  return std::ranges::all_of(vectors_, [alignment](const iovec& each) {
    return reinterpret_cast<uintptr_t>(each.iov_base) % alignment == 0 && each.iov_len % alignment == 0;
  });
}

void Pieces::copy_to(std::span<std::byte> out) const {
  assert(out.size() == size_);
  for (const iovec& each : vectors_) {
    std::memcpy(out.data(), each.iov_base, each.iov_len);
    out = out.subspan(each.iov_len);
  }
}

void Pieces::copy_from(std::span<const std::byte> in) const {
  assert(in.size() == size_);
  for (const iovec& each : vectors_) {
    std::memcpy(each.iov_base, in.data(), each.iov_len);
    in = in.subspan(each.iov_len);
  }
}

void Pieces::fill_zero() const {
  for (const iovec& each : vectors_) std::memset(each.iov_base, 0, each.iov_len);
}

std::optional<Result<void>> Disk::read_at_once(uint64_t, const Pieces&) { return std::nullopt; }
std::optional<Result<void>> Disk::write_at_once(uint64_t, const Pieces&) { return std::nullopt; }

}  // namespace cloche::block
