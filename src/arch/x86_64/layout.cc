#include "arch/x86_64/layout.h"

#include <algorithm>

namespace cloche::x86_64 {

std::vector<GuestMemory::Range> memory_ranges(uint64_t memory_mib) {
  uint64_t size = memory_mib << 20;
  std::vector<GuestMemory::Range> ranges{{{0}, std::min(size, kHoleStart)}};
  if (size > kHoleStart) ranges.push_back({{kHoleEnd}, size - kHoleStart});
  return ranges;
}

}  // namespace cloche::x86_64
