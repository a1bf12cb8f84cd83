// Takes a fuzzer's input apart: numbers until it is used up, zeros from then on.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

namespace cloche {

class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size) : rest_(data, size) {}

  bool empty() const { return rest_.empty(); }
  template <typename T>
  T take() {
    T value{};
    size_t size = std::min(sizeof value, rest_.size());
    if (size != 0) std::memcpy(&value, rest_.data(), size);
    rest_ = rest_.subspan(size);
    return value;
  }
  // One of 0 .. below-1, from as few bytes as that needs: the fuzzer begins with short inputs, and each is to hold
  // much.
  uint32_t pick(uint32_t below) {
    if (below <= 1u << 8) return take<uint8_t>() % below;
    if (below <= 1u << 16) return take<uint16_t>() % below;
    return take<uint32_t>() % below;
  }

 private:
  std::span<const uint8_t> rest_;
};

}  // namespace cloche
