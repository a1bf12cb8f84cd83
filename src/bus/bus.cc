#include "bus/bus.h"

#include <algorithm>

namespace cloche {

Result<void> Bus::add(uint64_t base, uint64_t size, BusDevice& device) {
  for (const Entry& entry : entries_)
    if (base < entry.base + entry.size && entry.base < base + size)
      return fail(ErrorCode::kInternal, "two devices at one address");
  entries_.push_back({base, size, &device});
  std::ranges::sort(entries_, {}, &Entry::base);
  return {};
}

const Bus::Entry* Bus::find(uint64_t address, size_t size) const {
  auto after = std::ranges::upper_bound(entries_, address, {}, &Entry::base);
  if (after == entries_.begin()) return nullptr;
  const Entry& entry = *std::prev(after);
  uint64_t offset = address - entry.base;
  if (offset >= entry.size || size > entry.size - offset) return nullptr;
  return &entry;
}

bool Bus::read(uint64_t address, std::span<std::byte> data) const {
  std::ranges::fill(data, std::byte{0xff});
  const Entry* entry = find(address, data.size());
  if (entry == nullptr) return false;
  entry->device->read(address - entry->base, data);
  return true;
}

bool Bus::write(uint64_t address, std::span<const std::byte> data) const {
  const Entry* entry = find(address, data.size());
  if (entry == nullptr) return false;
  entry->device->write(address - entry->base, data);
  return true;
}

}  // namespace cloche
