// Clusters: which clusters of a qcow2 image's file are in use, as its refcounts say.
//
// Refcounts are written as they change: always before anything points to a new cluster for good, and after nothing
// points to an old one any more. A crash then leaves clusters that are counted and not used, never the other way round.
#pragma once

#include <vector>

#include "devices/block/qcow2_layout.h"
#include "devices/block/table_cache.h"

namespace cloche::block {

class Clusters {
 public:
  Clusters(HostFile& file, Qcow2Layout& layout);

  // Reads the refcount table. `tables` are the clusters that other tables take; no two tables may share one.
  Result<void> load(std::vector<uint64_t> tables);

  // A cluster that nothing used, within the file and counted once; its offset. kHost with ENOSPC: the image is as large
  // as its format allows.
  Result<uint64_t> allocate();
  // For a table.
  Result<uint64_t> allocate_table();
  // One reference less. The host gets the space back with the last one.
  Result<void> release(uint64_t offset);
  // Whether a cluster as allocate() gave it holds zeros, as it has never been used.
  bool is_fresh(uint64_t offset) const { return offset >= fresh_before_last_; }
  // Whether a table lies there: then nothing of the guest's does.
  bool is_table(uint64_t offset) const;

 private:
  uint64_t per_block() const { return layout_.cluster_size() / sizeof(uint16_t); }
  Result<TableCache::Table*> block(uint64_t index);
  Result<uint16_t> count(uint64_t cluster);
  Result<void> set_count(uint64_t cluster, uint16_t value);
  Result<void> take(uint64_t cluster);
  Result<void> add_block(uint64_t index);
  Result<void> grow();
  Result<void> reach(uint64_t end);
  void add_table(uint64_t offset);
  std::unexpected<Error> damaged(std::string_view why) const;

  HostFile& file_;
  Qcow2Layout& layout_;
  std::vector<uint64_t> blocks_;  // Offsets of refcount blocks; 0: none.
  TableCache cache_;
  std::vector<uint64_t> tables_;    // Offsets, ascending.
  uint64_t cursor_ = 0;             // No cluster before this one is free.
  uint64_t fresh_ = 0;              // From here on the file has never been written to.
  uint64_t fresh_before_last_ = 0;  // The same before the last allocate().
};

}  // namespace cloche::block
