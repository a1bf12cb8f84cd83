#include "arch/x86_64/layout.h"

#include <algorithm>

namespace cloche::x86_64 {

std::vector<GuestMemory::Range> memory_ranges(uint64_t memory_mib) {
  uint64_t size = memory_mib << 20;
  std::vector<GuestMemory::Range> ranges{{{0}, std::min(size, kHoleStart)}};
  if (size > kHoleStart) ranges.push_back({{kHoleEnd}, size - kHoleStart});
  return ranges;
}

GuestAddr first_window(uint64_t memory_mib) {
  GuestMemory::Range last = memory_ranges(memory_mib).back();
  return next_window({std::max(kHoleEnd, last.start.value + last.size)});
}

GuestAddr next_window(GuestAddr end) {
  constexpr uint64_t kSection = 128 << 20;
  return {(end.value + kSection - 1) / kSection * kSection};
}

}  // namespace cloche::x86_64
