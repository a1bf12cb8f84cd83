#include "devices/block/table_cache.h"

#include <algorithm>
#include <cassert>

#include "devices/block/big_endian.h"

namespace cloche::block {

void TableCache::Table::mark(size_t begin, size_t end) {
  dirty_begin = dirty() ? std::min(dirty_begin, begin) : begin;
  dirty_end = std::max(dirty_end, end);
}

TableCache::Table* TableCache::find(uint64_t offset) {
  auto found = tables_.find(offset);
  if (found == tables_.end()) return nullptr;
  found->second.used = ++clock_;
  return &found->second;
}

bool TableCache::has_room() const { return tables_.size() < most_ || dirty_ < tables_.size(); }

TableCache::Table& TableCache::insert(uint64_t offset, std::vector<std::byte> bytes) {
  assert(has_room());
  if (tables_.size() >= most_) {
    auto oldest = tables_.end();
    for (auto each = tables_.begin(); each != tables_.end(); ++each)
      if (!each->second.dirty() && (oldest == tables_.end() || each->second.used < oldest->second.used)) oldest = each;
    tables_.erase(oldest);
  }
  Table& table = tables_[offset];
  table.bytes = std::move(bytes);
  table.used = ++clock_;
  return table;
}

void TableCache::change(Table& table, size_t at, uint64_t value) {
  if (!table.dirty()) ++dirty_;
  store_big(std::span(table.bytes), at, value);
  table.mark(at, at + sizeof value);
}

Result<void> TableCache::write_dirty(const std::function<Result<void>(uint64_t, std::span<const std::byte>)>& write) {
  if (dirty_ == 0) return {};
  for (auto& [offset, table] : tables_) {
    if (!table.dirty()) continue;
    size_t begin = table.dirty_begin, size = table.dirty_end - begin;
    TRY(write(offset + begin, std::span(table.bytes).subspan(begin, size)));
    table.dirty_begin = table.dirty_end = 0;
    --dirty_;
  }
  return {};
}

}  // namespace cloche::block
