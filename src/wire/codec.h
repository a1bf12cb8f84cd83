// Writer and Reader: how every message between our own programs lies in bytes. Integers are little-endian, text and
// lists carry a 32-bit count. Used by the guest as well: no exceptions, nothing but the standard headers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cloche::wire {

class Writer {
 public:
  template <typename T>
    requires std::is_integral_v<T> || std::is_enum_v<T>
  void put(T value) {
    auto bits = static_cast<uint64_t>(value);
    for (size_t i = 0; i < sizeof(T); ++i) bytes_.push_back(static_cast<std::byte>(bits >> (8 * i)));
  }
  void put(std::string_view text) {
    put(static_cast<uint32_t>(text.size()));
    auto raw = std::as_bytes(std::span(text));
    bytes_.insert(bytes_.end(), raw.begin(), raw.end());
  }
  void put(const std::vector<std::string>& list) {
    put(static_cast<uint32_t>(list.size()));
    for (const std::string& each : list) put(std::string_view(each));
  }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

// Reads what a Writer wrote, from bytes that may be anybody's: past the end, or with a count that cannot be, it yields
// zeros and ok() turns false for good. Check ok() once, at the end.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <typename T>
  void get(T& value)
    requires std::is_integral_v<T> || std::is_enum_v<T>
  {
    uint64_t bits = 0;
    auto raw = take(sizeof(T));
    for (size_t i = 0; i < raw.size(); ++i) bits |= static_cast<uint64_t>(raw[i]) << (8 * i);
    value = static_cast<T>(bits);
  }
  void get(std::string& text) {
    auto raw = take(count(1));
    text.assign(reinterpret_cast<const char*>(raw.data()), raw.size());
  }
  void get(std::vector<std::string>& list) {
    list.resize(count(sizeof(uint32_t)));
    for (std::string& each : list) get(each);
  }
  // The count of a list whose elements take at least `least_size` bytes each: never more than the bytes left can hold.
  uint32_t count(size_t least_size) {
    uint32_t value = 0;
    get(value);
    if (value > rest_.size() / least_size) ok_ = false;
    return ok_ ? value : 0;
  }
  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }

 private:
  std::span<const std::byte> take(size_t size) {
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      return {};
    }
    auto taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  std::span<const std::byte> rest_;
  bool ok_ = true;
};

}  // namespace cloche::wire
