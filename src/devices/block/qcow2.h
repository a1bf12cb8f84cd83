// Qcow2Disk: an image that is as large as what was written to it, as QEMU's are.
//
// Read and written: versions 2 and 3 with 16-bit refcounts, zero clusters, a backing file that the caller names, and
// clusters compressed with deflate, which are written anew uncompressed. Read only: other refcounts, internal
// snapshots, images that were not closed. Refused: everything else.
#pragma once

#include <memory>

#include "devices/block/qcow2_map.h"

namespace cloche::block {

class Qcow2Disk final : public Disk {
 public:
  // `backing`: what the image is made on top of; null where its header names nothing.
  static Result<std::unique_ptr<Disk>> create(HostFile file, std::unique_ptr<Disk> backing);

  uint64_t size() const override;
  Result<void> read(uint64_t offset, const Pieces& to) override;
  Result<void> write(uint64_t offset, const Pieces& from) override;
  Result<void> flush() override;
  Result<void> settle() override;
  Result<void> discard(uint64_t offset, uint64_t size) override;
  Result<void> zero(uint64_t offset, uint64_t size, Space space) override;
  std::optional<Result<void>> read_at_once(uint64_t offset, const Pieces& to) override;
  std::optional<Result<void>> write_at_once(uint64_t offset, const Pieces& from) override;

 private:
  using Place = Qcow2Map::Place;
  // A part of a transfer within one place of the file, or within one cluster.
  struct Run {
    Place place;
    uint64_t offset = 0;  // Of the disk.
    size_t size = 0;
  };

  Qcow2Disk(HostFile file, Qcow2Layout layout, std::unique_ptr<Disk> backing);
  Result<void> open();
  Result<void> check_writable() const;
  Result<Run> next_run(uint64_t offset, size_t size);
  Result<void> read_run(const Run& run, const Pieces& to);
  Result<void> read_host(uint64_t offset, const Pieces& to);
  Result<void> read_backing(uint64_t offset, const Pieces& to);
  Result<void> read_compressed(const Run& run, const Pieces& to);
  Result<void> write_anew(const Run& run, const Pieces& from);
  Result<void> fill(const Run& run, uint64_t cluster_at, const Pieces& from);
  enum class Clearing { kDiscard, kZero };
  Result<void> clear(uint64_t offset, uint64_t size, Clearing clearing);
  Result<void> clear_cluster(uint64_t cluster, Clearing clearing);
  Result<void> clear_part(uint64_t offset, size_t size);
  Result<void> after_change();
  std::optional<uint64_t> place_at_once(uint64_t offset, size_t size);
  uint64_t within(uint64_t offset) const { return offset & (layout_.cluster_size() - 1); }

  HostFile file_;
  Qcow2Layout layout_;
  std::unique_ptr<Disk> backing_;
  Clusters clusters_;
  Qcow2Map map_;
  uint64_t inflated_entry_ = 0;  // Which compressed cluster the bytes below are; 0: none.
  std::vector<std::byte> inflated_;
};

}  // namespace cloche::block
