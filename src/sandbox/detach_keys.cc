#include "sandbox/detach_keys.h"

namespace cloche::sandbox {

std::string DetachKeys::pass(std::span<const std::byte> bytes) {
  std::string passed;
  for (std::byte each : bytes) {
    if (typed_) break;
    held_ += static_cast<char>(each);
    typed_ = !keys_.empty() && held_ == keys_;
    while (!held_.empty() && !(keys_.starts_with(held_) && !keys_.empty())) {
      passed += held_[0];
      held_.erase(0, 1);
    }
  }
  return passed;
}

}  // namespace cloche::sandbox
