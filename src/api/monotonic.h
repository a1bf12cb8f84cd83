// The clock of all timings: CLOCK_MONOTONIC in ns, the same in every process of this host.
#pragma once

#include <cstdint>
#include <ctime>

namespace cloche {

inline uint64_t monotonic_now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace cloche
