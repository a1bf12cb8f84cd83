// Random: the generator's choices, the same for the same seed everywhere.
#pragma once

#include <cstdint>
#include <string>

namespace cloche::model {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {  // splitmix64
    uint64_t mixed = state_ += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
  }
  // 0 to limit - 1; `limit` is not 0.
  size_t below(size_t limit) { return static_cast<size_t>(next() % limit); }
  bool one_in(size_t count) { return below(count) == 0; }
  std::string bytes(size_t size) {
    std::string out(size, '\0');
    for (size_t at = 0; at < size; at += 8) {
      uint64_t word = next();
      for (size_t i = at; i < size && i < at + 8; ++i, word >>= 8) out[i] = static_cast<char>(word);
    }
    return out;
  }

 private:
  uint64_t state_;
};

}  // namespace cloche::model
