// Little-endian integers as they lie in guest memory, files and on the wire: a byte array with a value, free of
// alignment.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace cloche {

template <typename T>
class LittleEndian {
 public:
  LittleEndian() = default;
  LittleEndian(T value) { store(value); }  // NOLINT(google-explicit-constructor): stands where the integer stands.
  operator T() const {                     // NOLINT(google-explicit-constructor)
    T value;
    std::memcpy(&value, bytes_, sizeof value);
    if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
    return value;
  }

 private:
  void store(T value) {
    if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
    std::memcpy(bytes_, &value, sizeof value);
  }
  unsigned char bytes_[sizeof(T)] = {};
};

using le16 = LittleEndian<uint16_t>;
using le32 = LittleEndian<uint32_t>;
using le64 = LittleEndian<uint64_t>;
static_assert(sizeof(le64) == 8 && alignof(le64) == 1);

}  // namespace cloche
