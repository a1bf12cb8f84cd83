#include "devices/fs/id_map.h"

namespace cloche::fs {
namespace {

// Where `id` lies in the range that begins at `first`, if it does.
std::optional<uint32_t> place_in(uint32_t id, uint32_t first, uint32_t count) {
  if (id < first || id - first >= count) return std::nullopt;
  return id - first;
}

}  // namespace

uint32_t IdMap::to_guest(uint32_t host) const {
  for (const Range& range : ranges_)
    if (auto place = place_in(host, range.host, range.count)) return range.guest + *place;
  return others_ == Others::kSame ? host : kNobody;
}

std::optional<uint32_t> IdMap::to_host(uint32_t guest) const {
  if (guest == kUnchanged) return kUnchanged;
  for (const Range& range : ranges_)
    if (auto place = place_in(guest, range.guest, range.count)) return range.host + *place;
  if (others_ == Others::kSame) return guest;
  return std::nullopt;
}

}  // namespace cloche::fs
