// Big-endian integers in the bytes of a qcow2 image.
#pragma once

#include <bit>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <span>

namespace cloche::block {

template <typename T>
T load_big(std::span<const std::byte> from, size_t offset) {
  assert(offset + sizeof(T) <= from.size());
  T value;
  std::memcpy(&value, from.data() + offset, sizeof value);
  return std::endian::native == std::endian::little ? std::byteswap(value) : value;
}

template <typename T>
void store_big(std::span<std::byte> to, size_t offset, T value) {
  assert(offset + sizeof(T) <= to.size());
  if (std::endian::native == std::endian::little) value = std::byteswap(value);
  std::memcpy(to.data() + offset, &value, sizeof value);
}

}  // namespace cloche::block
