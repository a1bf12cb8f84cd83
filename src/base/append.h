// A struct of plain bytes and LittleEndian numbers, as it lies in memory, behind what is there already.
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

namespace cloche {

template <typename T>
  requires std::is_trivially_copyable_v<T>
void append(std::vector<std::byte>& to, const T& value) {
  auto raw = std::as_bytes(std::span(&value, 1));
  to.insert(to.end(), raw.begin(), raw.end());
}

}  // namespace cloche
