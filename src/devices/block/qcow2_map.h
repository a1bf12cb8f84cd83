// Qcow2Map: where in the file of a qcow2 image each cluster of its disk is.
//
// Changes are kept until settle(), which brings them to the file in an order that survives the host's end at any
// moment: first what new entries point to, then the entries, then old clusters are free to be used again.
#pragma once

#include <optional>
#include <vector>

#include "devices/block/qcow2_clusters.h"
#include "devices/block/table_cache.h"

namespace cloche::block {

class Qcow2Map {
 public:
  struct Place {
    enum class Kind {
      kNothing,     // As the backing file has it; zeros without one.
      kZero,        // Zeros.
      kData,        // In the file.
      kCompressed,  // The same, deflated; `entry` says where.
    };
    Kind kind = Kind::kNothing;
    uint64_t offset = 0;   // In the file: of kData, and of kZero where a cluster is kept for it (else 0).
    uint64_t entry = 0;    // As the table has it.
    bool is_ours = false;  // kData: it may be written to where it is.
  };
  // What a cluster becomes.
  enum class Empty { kNothing, kZero };

  Qcow2Map(HostFile& file, Qcow2Layout& layout, Clusters& clusters);
  Result<void> load();  // L1.
  // The clusters that L1 and L2 tables take.
  std::vector<uint64_t> tables() const;

  Result<Place> find(uint64_t cluster);
  // The same from what is in memory; nothing: it is not.
  std::optional<Place> find_at_once(uint64_t cluster);
  // The cluster's contents are at `offset` from now on, which allocate() gave. What it had is released.
  Result<void> put(uint64_t cluster, const Place& before, uint64_t offset);
  Result<void> put(uint64_t cluster, const Place& before, Empty empty);
  // The clusters of the file that compressed data lies in, as offsets.
  std::vector<uint64_t> compressed_clusters(uint64_t entry) const;
  // Where compressed data lies: an offset, and at most so many bytes.
  std::pair<uint64_t, uint64_t> compressed_range(uint64_t entry) const;

  Result<void> settle();
  // Bytes of the clusters that settle() will release.
  uint64_t unreleased() const { return released_.size() * layout_.cluster_size(); }

 private:
  Result<TableCache::Table*> table_of(uint64_t cluster);  // Null: there is none.
  Result<TableCache::Table*> make_table(uint64_t cluster);
  Result<void> change(uint64_t cluster, const Place& before, uint64_t entry);
  Result<Place> place_of(uint64_t entry) const;
  Result<void> make_room();
  Result<uint64_t> l2_offset(uint64_t index) const;
  uint64_t l1_index(uint64_t cluster) const { return cluster / layout_.entries(); }
  size_t l2_at(uint64_t cluster) const { return cluster % layout_.entries() * sizeof(uint64_t); }
  bool inside(uint64_t offset, uint64_t size) const { return offset <= file_.size() && size <= file_.size() - offset; }
  std::unexpected<Error> damaged(std::string_view why) const;

  HostFile& file_;
  Qcow2Layout& layout_;
  Clusters& clusters_;
  std::vector<uint64_t> l1_;
  std::vector<uint64_t> changed_l1_;  // Indexes that are to be written.
  TableCache cache_;                  // L2.
  std::vector<uint64_t> released_;    // Offsets of clusters to be released.
};

}  // namespace cloche::block
