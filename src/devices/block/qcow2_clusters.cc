#include "devices/block/qcow2_clusters.h"

#include <fmt/format.h>

#include <algorithm>

#include "devices/block/big_endian.h"

namespace cloche::block {
namespace {

constexpr size_t kCacheBytes = 2 << 20, kLeastCached = 4;
constexpr uint64_t kGrowBytes = 1 << 20;  // The file is made longer by so much at a time, which takes no space yet.

}  // namespace

Clusters::Clusters(HostFile& file, Qcow2Layout& layout)
    : file_(file),
      layout_(layout),
      cache_(std::max<size_t>(kLeastCached, kCacheBytes / layout.cluster_size())),
      fresh_(file.size()),
      fresh_before_last_(file.size()) {}

std::unexpected<Error> Clusters::damaged(std::string_view why) const {
  return fail(ErrorCode::kHost, fmt::format("{}: a damaged qcow2 image: {}", file_.path(), why), EIO);
}

Result<void> Clusters::load(std::vector<uint64_t> tables) {
  tables_ = std::move(tables);
  std::vector<std::byte> raw(uint64_t{layout_.refcounts_clusters} << layout_.cluster_bits);
  TRY(file_.read(layout_.refcounts_offset, raw));
  for (size_t at = 0; at < raw.size(); at += sizeof(uint64_t)) {
    uint64_t offset = load_big<uint64_t>(raw, at);
    if (offset != 0) {
      bool inside = offset % layout_.cluster_size() == 0 && offset < file_.size() &&
                    layout_.cluster_size() <= file_.size() - offset;
      if (!inside) return damaged("a refcount block is not in it");
      tables_.push_back(offset);
    }
    blocks_.push_back(offset);
  }
  for (uint64_t i = 0; i < layout_.refcounts_clusters; ++i)
    tables_.push_back(layout_.refcounts_offset + (i << layout_.cluster_bits));
  std::ranges::sort(tables_);
  if (std::ranges::adjacent_find(tables_) != tables_.end()) return damaged("two of its tables lie in one place");
  return {};
}

bool Clusters::is_table(uint64_t offset) const { return std::ranges::binary_search(tables_, offset); }

void Clusters::add_table(uint64_t offset) { tables_.insert(std::ranges::upper_bound(tables_, offset), offset); }

Result<TableCache::Table*> Clusters::block(uint64_t index) {
  if (TableCache::Table* table = cache_.find(blocks_[index])) return table;
  std::vector<std::byte> bytes(layout_.cluster_size());
  TRY(file_.read(blocks_[index], bytes));
  return &cache_.insert(blocks_[index], std::move(bytes));
}

Result<uint16_t> Clusters::count(uint64_t cluster) {
  uint64_t index = cluster / per_block();
  if (index >= blocks_.size() || blocks_[index] == 0) return uint16_t{0};
  TableCache::Table* table = TRY(block(index));
  return load_big<uint16_t>(table->bytes, cluster % per_block() * sizeof(uint16_t));
}

Result<void> Clusters::set_count(uint64_t cluster, uint16_t value) {
  TableCache::Table* table = TRY(block(cluster / per_block()));
  size_t at = cluster % per_block() * sizeof(uint16_t);
  auto place = std::span(table->bytes).subspan(at, sizeof value);
  uint16_t before = load_big<uint16_t>(place, 0);
  store_big(place, 0, value);
  auto written = file_.write(blocks_[cluster / per_block()] + at, place);
  if (!written) store_big(place, 0, before);  // What we think is what is there.
  return written;
}

Result<void> Clusters::reach(uint64_t end) {
  if (end <= file_.size()) return {};
  uint64_t target = (end + kGrowBytes - 1) / kGrowBytes * kGrowBytes;
  return file_.extend(
      std::max(target, (end + layout_.cluster_size() - 1) >> layout_.cluster_bits << layout_.cluster_bits));
}

// The cluster is there and nobody's; a table that is not counted would be given away else.
Result<void> Clusters::take(uint64_t cluster) {
  uint64_t offset = cluster << layout_.cluster_bits;
  if (is_table(offset)) return damaged("a table is not counted");
  TRY(reach(offset + layout_.cluster_size()));
  fresh_before_last_ = fresh_;
  fresh_ = std::max(fresh_, offset + layout_.cluster_size());
  return {};
}

// A block for clusters that have none yet, in the one at the cursor, which is among them.
Result<void> Clusters::add_block(uint64_t index) {
  uint64_t cluster = cursor_, offset = cluster << layout_.cluster_bits;
  TRY(take(cluster));
  std::vector<std::byte> bytes(layout_.cluster_size());
  store_big<uint16_t>(bytes, cluster % per_block() * sizeof(uint16_t), 1);
  TRY(file_.write(offset, bytes));
  TRY(file_.barrier());
  std::array<std::byte, sizeof(uint64_t)> entry;
  store_big<uint64_t>(entry, 0, offset);
  TRY(file_.write(layout_.refcounts_offset + index * sizeof(uint64_t), entry));
  blocks_[index] = offset;
  add_table(offset);
  cache_.insert(offset, std::move(bytes));
  return {};
}

// A refcount table of twice the size, in the clusters from the cursor on, for which the old one has no room, and a
// block that counts them behind it.
Result<void> Clusters::grow() {
  uint64_t clusters = 2 * uint64_t{layout_.refcounts_clusters}, cluster_size = layout_.cluster_size();
  uint64_t first = cursor_, offset = first << layout_.cluster_bits, block_at = offset + clusters * cluster_size;
  if (clusters + 1 > per_block() || offset > kQcow2Offset - (clusters + 1) * cluster_size)
    return fail(ErrorCode::kHost, file_.path() + ": the image cannot grow any more", ENOSPC);
  TRY(reach(block_at + cluster_size));
  std::vector<std::byte> table(clusters * cluster_size), counts(cluster_size);
  for (size_t i = 0; i < blocks_.size(); ++i) store_big(std::span(table), i * sizeof(uint64_t), blocks_[i]);
  store_big(std::span(table), blocks_.size() * sizeof(uint64_t), block_at);
  for (uint64_t i = 0; i <= clusters; ++i) store_big<uint16_t>(counts, i * sizeof(uint16_t), 1);
  TRY(file_.write(block_at, counts));
  TRY(file_.write(offset, table));
  TRY(file_.barrier());
  std::array<std::byte, 12> field;
  store_big<uint64_t>(field, 0, offset);
  store_big<uint32_t>(field, 8, static_cast<uint32_t>(clusters));
  TRY(file_.write(kQcow2RefcountsField, field));
  TRY(file_.barrier());
  fresh_ = std::max(fresh_, block_at + cluster_size);
  uint64_t old = layout_.refcounts_offset, old_clusters = layout_.refcounts_clusters;
  layout_.refcounts_offset = offset;
  layout_.refcounts_clusters = static_cast<uint32_t>(clusters);
  blocks_.push_back(block_at);
  blocks_.resize(clusters * layout_.entries());
  for (uint64_t i = 0; i <= clusters; ++i) add_table(offset + i * cluster_size);
  for (uint64_t i = 0; i < old_clusters; ++i) {
    std::erase(tables_, old + i * cluster_size);
    TRY(release(old + i * cluster_size));
  }
  return {};
}

Result<uint64_t> Clusters::allocate() {
  for (;; ++cursor_) {
    uint64_t index = cursor_ / per_block();
    // A file does not end long before what its refcounts count.
    if (cursor_ << layout_.cluster_bits > file_.size() + kGrowBytes + layout_.cluster_size() * per_block())
      return damaged("it counts clusters beyond its end");
    if (index >= blocks_.size()) {
      TRY(grow());
      index = cursor_ / per_block();
    }
    if (blocks_[index] == 0) {
      TRY(add_block(index));
      continue;
    }
    if (TRY(count(cursor_)) != 0) continue;
    TRY(take(cursor_));
    TRY(set_count(cursor_, 1));
    return cursor_++ << layout_.cluster_bits;
  }
}

Result<uint64_t> Clusters::allocate_table() {
  uint64_t offset = TRY(allocate());
  add_table(offset);
  return offset;
}

Result<void> Clusters::release(uint64_t offset) {
  uint64_t cluster = offset >> layout_.cluster_bits;
  uint16_t before = TRY(count(cluster));
  if (before == 0) return damaged("a cluster in use is not counted");
  TRY(set_count(cluster, static_cast<uint16_t>(before - 1)));
  if (before > 1) return {};
  cursor_ = std::min(cursor_, cluster);
  static_cast<void>(file_.punch(offset, layout_.cluster_size()));  // Where the host cannot, the file stays as it is.
  return {};
}

}  // namespace cloche::block
