// Timeline: notes when each phase of a VM's life began and ended.
#pragma once

#include <ctime>
#include <string>
#include <vector>

#include "machine/exit_report.h"

namespace cloche {

inline uint64_t monotonic_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

// One thread.
class Timeline {
 public:
  explicit Timeline(uint64_t begin_ns = monotonic_ns()) : last_ns_(begin_ns) {}
  // The stretch since the last mark was `name`.
  void mark(std::string name) {
    uint64_t now = monotonic_ns();
    phases_.push_back({std::move(name), false, last_ns_, now});
    last_ns_ = now;
  }
  void add(Phase phase) { phases_.push_back(std::move(phase)); }
  std::vector<Phase> take() { return std::move(phases_); }

 private:
  uint64_t last_ns_;
  std::vector<Phase> phases_;
};

}  // namespace cloche
