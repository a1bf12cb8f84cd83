// TableCache: some of the many tables of a qcow2 image, and what has been changed in them and not yet written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace cloche::block {

class TableCache {
 public:
  struct Table {
    std::vector<std::byte> bytes;
    size_t dirty_begin = 0, dirty_end = 0;  // What was changed lies between; none where they are equal.
    uint64_t used = 0;
    bool dirty() const { return dirty_begin != dirty_end; }
    void mark(size_t begin, size_t end);
  };

  explicit TableCache(size_t most) : most_(most) {}

  Table* find(uint64_t offset);  // Null: not here. Valid until the next insert().
  // Whether there is room for one more, or something that can go: what is dirty cannot.
  bool has_room() const;
  Table& insert(uint64_t offset, std::vector<std::byte> bytes);
  bool any_dirty() const { return dirty_ != 0; }
  // Stores a number, big-endian, and remembers that it is to be written.
  void change(Table& table, size_t at, uint64_t value);
  // Writes what is dirty. What was written before an error is clean.
  Result<void> write_dirty(const std::function<Result<void>(uint64_t, std::span<const std::byte>)>& write);

 private:
  size_t most_;
  std::unordered_map<uint64_t, Table> tables_;
  size_t dirty_ = 0;
  uint64_t clock_ = 0;
};

}  // namespace cloche::block
