// What the header of a qcow2 image says (QEMU's docs/interop/qcow2.txt), checked.
#pragma once

#include <string>

#include "devices/block/host_file.h"

namespace cloche::block {

struct Qcow2Layout {
  uint32_t version = 3;
  uint32_t cluster_bits = 16;
  uint64_t size = 0;  // Of the disk.
  uint64_t l1_offset = 0;
  uint32_t l1_entries = 0;
  uint64_t refcounts_offset = 0;  // Of the table of refcount blocks.
  uint32_t refcounts_clusters = 0;
  uint32_t refcount_bits = 16;
  uint32_t snapshots = 0;
  bool dirty = false;  // Its refcounts may be wrong.
  uint64_t autoclear = 0;
  std::string backing_name;  // As the image names it; nobody opens that.

  uint64_t cluster_size() const { return 1ull << cluster_bits; }
  uint64_t entries() const { return cluster_size() / sizeof(uint64_t); }  // Of an L2 table.
  uint64_t clusters() const { return (size + cluster_size() - 1) >> cluster_bits; }
};

// Where fields are that are written later.
inline constexpr uint64_t kQcow2RefcountsField = 48;  // Offset (u64), then clusters (u32).
inline constexpr uint64_t kQcow2AutoclearField = 88;

// Entries of L1 and L2.
inline constexpr uint64_t kQcow2Offset = 0x00ff'ffff'ffff'fe00;
inline constexpr uint64_t kQcow2Copied = 1ull << 63;      // The only reference to its cluster.
inline constexpr uint64_t kQcow2Compressed = 1ull << 62;  // L2.
inline constexpr uint64_t kQcow2Zero = 1;                 // L2, version 3.

// Errors say why the image is not for us: what it needs that we do not know, or what is wrong with it.
Result<Qcow2Layout> read_qcow2_layout(const HostFile& file);

}  // namespace cloche::block
