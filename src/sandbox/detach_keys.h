// The keys that leave a terminal's command alone, in what is typed.
#pragma once

#include <span>
#include <string>
#include <utility>

namespace cloche::sandbox {

class DetachKeys {
 public:
  // Empty: there are none.
  explicit DetachKeys(std::string keys) : keys_(std::move(keys)) {}

  // What of `bytes`, and of what was held back before, is to be passed on. The beginning of the keys is held back until
  // it is known whether the rest of them follows. What follows all of them is nobody's.
  std::string pass(std::span<const std::byte> bytes);
  bool were_typed() const { return typed_; }
  size_t held() const { return held_.size(); }
  // What was held back, when nothing follows it.
  std::string release() { return std::exchange(held_, {}); }

 private:
  std::string keys_;
  std::string held_;
  bool typed_ = false;
};

}  // namespace cloche::sandbox
