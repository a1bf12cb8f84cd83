#include "devices/block/qcow2_map.h"

#include <fmt/format.h>

#include <algorithm>

#include "devices/block/big_endian.h"

namespace cloche::block {
namespace {

constexpr size_t kCacheBytes = 8 << 20, kLeastCached = 4;  // With clusters of 64 KiB: tables for 64 GiB.
constexpr uint64_t kReservedL2 = ~(kQcow2Offset | kQcow2Copied | kQcow2Compressed | kQcow2Zero);
constexpr uint64_t kSectorBytesOfCompressed = 512;

}  // namespace

Qcow2Map::Qcow2Map(HostFile& file, Qcow2Layout& layout, Clusters& clusters)
    : file_(file),
      layout_(layout),
      clusters_(clusters),
      cache_(std::max<size_t>(kLeastCached, kCacheBytes / layout.cluster_size())) {}

std::unexpected<Error> Qcow2Map::damaged(std::string_view why) const {
  return fail(ErrorCode::kHost, fmt::format("{}: a damaged qcow2 image: {}", file_.path(), why), EIO);
}

Result<void> Qcow2Map::load() {
  std::vector<std::byte> raw(layout_.l1_entries * sizeof(uint64_t));
  TRY(file_.read(layout_.l1_offset, raw));
  for (size_t at = 0; at < raw.size(); at += sizeof(uint64_t)) l1_.push_back(load_big<uint64_t>(raw, at));
  return {};
}

std::vector<uint64_t> Qcow2Map::tables() const {
  std::vector<uint64_t> tables;
  for (uint64_t at = 0; at < l1_.size() * sizeof(uint64_t); at += layout_.cluster_size())
    tables.push_back(layout_.l1_offset + at);
  for (uint64_t entry : l1_)
    if ((entry & kQcow2Offset) != 0) tables.push_back(entry & kQcow2Offset);
  return tables;
}

// Of an L2 table; 0: there is none.
Result<uint64_t> Qcow2Map::l2_offset(uint64_t index) const {
  if (index >= l1_.size()) return damaged("a cluster beyond its tables");
  uint64_t offset = l1_[index] & kQcow2Offset;
  if ((l1_[index] & ~(kQcow2Offset | kQcow2Copied)) != 0) return damaged("an L1 entry with bits that mean nothing");
  if (offset % layout_.cluster_size() != 0 || (offset != 0 && !inside(offset, layout_.cluster_size())))
    return damaged("an L2 table is not in it");
  return offset;
}

// What is dirty cannot leave the cache.
Result<void> Qcow2Map::make_room() {
  if (cache_.has_room()) return {};
  return settle();
}

Result<TableCache::Table*> Qcow2Map::table_of(uint64_t cluster) {
  uint64_t offset = TRY(l2_offset(l1_index(cluster)));
  if (offset == 0) return nullptr;
  if (TableCache::Table* table = cache_.find(offset)) return table;
  TRY(make_room());
  std::vector<std::byte> bytes(layout_.cluster_size());
  TRY(file_.read(offset, bytes));
  return &cache_.insert(offset, std::move(bytes));
}

Result<Qcow2Map::Place> Qcow2Map::place_of(uint64_t entry) const {
  using Kind = Place::Kind;
  if ((entry & kQcow2Compressed) != 0) {
    if (!inside(compressed_range(entry).first, 1)) return damaged("compressed data is not in it");
    return Place{.kind = Kind::kCompressed, .entry = entry};
  }
  bool zero = (entry & kQcow2Zero) != 0;
  if ((entry & kReservedL2) != 0 || (zero && layout_.version == 2))
    return damaged("an L2 entry with bits that mean nothing");
  uint64_t offset = entry & kQcow2Offset;
  if (offset % layout_.cluster_size() != 0 || (offset != 0 && !inside(offset, 1)))
    return damaged("a cluster is not in it");
  if (zero) return Place{.kind = Kind::kZero, .offset = offset, .entry = entry};
  if (offset == 0) return Place{.entry = entry};
  bool ours = (entry & kQcow2Copied) != 0 && !clusters_.is_table(offset);
  return Place{.kind = Kind::kData, .offset = offset, .entry = entry, .is_ours = ours};
}

Result<Qcow2Map::Place> Qcow2Map::find(uint64_t cluster) {
  TableCache::Table* table = TRY(table_of(cluster));
  if (table == nullptr) return Place{};
  return place_of(load_big<uint64_t>(table->bytes, l2_at(cluster)));
}

std::optional<Qcow2Map::Place> Qcow2Map::find_at_once(uint64_t cluster) {
  auto offset = l2_offset(l1_index(cluster));
  if (!offset) return std::nullopt;
  if (*offset == 0) return Place{};
  TableCache::Table* table = cache_.find(*offset);
  if (table == nullptr) return std::nullopt;
  auto place = place_of(load_big<uint64_t>(table->bytes, l2_at(cluster)));
  return place ? std::optional(*place) : std::nullopt;
}

// The cluster is full of zeros before anything points to it.
Result<TableCache::Table*> Qcow2Map::make_table(uint64_t cluster) {
  TRY(make_room());
  uint64_t offset = TRY(clusters_.allocate_table());
  std::vector<std::byte> zeros(layout_.cluster_size());
  if (!clusters_.is_fresh(offset)) TRY(file_.write(offset, zeros));
  uint64_t index = l1_index(cluster);
  l1_[index] = offset | kQcow2Copied;
  changed_l1_.push_back(index);
  return &cache_.insert(offset, std::move(zeros));
}

Result<void> Qcow2Map::change(uint64_t cluster, const Place& before, uint64_t entry) {
  TableCache::Table* table = TRY(table_of(cluster));
  if (table == nullptr) table = TRY(make_table(cluster));
  if ((l1_[l1_index(cluster)] & kQcow2Copied) == 0) return damaged("an L2 table is shared");
  cache_.change(*table, l2_at(cluster), entry);
  if (before.kind == Place::Kind::kCompressed) {
    for (uint64_t offset : compressed_clusters(before.entry)) released_.push_back(offset);
  } else if (before.offset != 0) {
    released_.push_back(before.offset);
  }
  return {};
}

Result<void> Qcow2Map::put(uint64_t cluster, const Place& before, uint64_t offset) {
  return change(cluster, before, offset | kQcow2Copied);
}

Result<void> Qcow2Map::put(uint64_t cluster, const Place& before, Empty empty) {
  return change(cluster, before, empty == Empty::kZero ? kQcow2Zero : 0);
}

// The bits below 62 are an offset in bytes, and above it how many sectors of 512 bytes follow that which it is in.
std::pair<uint64_t, uint64_t> Qcow2Map::compressed_range(uint64_t entry) const {
  unsigned offset_bits = 62 - (layout_.cluster_bits - 8);
  uint64_t offset = entry & ((1ull << offset_bits) - 1);
  uint64_t sectors = (entry & (kQcow2Compressed - 1)) >> offset_bits;
  return {offset, (sectors + 1) * kSectorBytesOfCompressed - offset % kSectorBytesOfCompressed};
}

std::vector<uint64_t> Qcow2Map::compressed_clusters(uint64_t entry) const {
  auto [offset, size] = compressed_range(entry);
  std::vector<uint64_t> clusters;
  uint64_t cluster_size = layout_.cluster_size();
  for (uint64_t at = offset / cluster_size * cluster_size; at < offset + size; at += cluster_size)
    clusters.push_back(at);
  return clusters;
}

Result<void> Qcow2Map::settle() {
  if (!cache_.any_dirty() && changed_l1_.empty() && released_.empty()) return {};
  TRY(file_.barrier());
  TRY(cache_.write_dirty(
      [this](uint64_t offset, std::span<const std::byte> bytes) { return file_.write(offset, bytes); }));
  if (!changed_l1_.empty()) TRY(file_.barrier());
  while (!changed_l1_.empty()) {
    uint64_t index = changed_l1_.back();
    std::array<std::byte, sizeof(uint64_t)> entry;
    store_big<uint64_t>(entry, 0, l1_[index]);
    TRY(file_.write(layout_.l1_offset + index * sizeof(uint64_t), entry));
    changed_l1_.pop_back();
  }
  if (released_.empty()) return {};
  TRY(file_.barrier());
  while (!released_.empty()) {
    uint64_t offset = released_.back();
    released_.pop_back();
    TRY(clusters_.release(offset));
  }
  return {};
}

}  // namespace cloche::block
