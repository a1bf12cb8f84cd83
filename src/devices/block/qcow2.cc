#include "devices/block/qcow2.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "devices/block/big_endian.h"
#include "devices/block/inflate.h"
#include "devices/block/raw.h"

namespace cloche::block {
namespace {

constexpr uint64_t kMostUnreleased = 64 << 20;  // Bytes.

}  // namespace

using Kind = Qcow2Map::Place::Kind;

Result<std::unique_ptr<Disk>> Qcow2Disk::create(HostFile file, std::unique_ptr<Disk> backing) {
  auto layout = TRY(read_qcow2_layout(file));
  if (layout.size < RawDisk::kSectorBytes)
    return fail(ErrorCode::kInvalidArgument, file.path() + ": a disk without a sector");
  if (!layout.backing_name.empty() && !backing)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: it is made on top of another image, which it calls '{}'; name that (backing=PATH)",
                            file.path(), layout.backing_name));
  if (layout.backing_name.empty() && backing)
    return fail(ErrorCode::kInvalidArgument, file.path() + ": it is not made on top of another image");
  std::unique_ptr<Qcow2Disk> disk(new Qcow2Disk(std::move(file), std::move(layout), std::move(backing)));
  TRY(disk->open());
  return disk;
}

Qcow2Disk::Qcow2Disk(HostFile file, Qcow2Layout layout, std::unique_ptr<Disk> backing)
    : file_(std::move(file)),
      layout_(std::move(layout)),
      backing_(std::move(backing)),
      clusters_(file_, layout_),
      map_(file_, layout_, clusters_) {}

Result<void> Qcow2Disk::check_writable() const {
  auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::kUnsupported, fmt::format("{}: can only be used read-only: {}", file_.path(), why));
  };
  if (layout_.refcount_bits != 16) return refuse(fmt::format("refcounts of {} bits", layout_.refcount_bits));
  if (layout_.snapshots != 0) return refuse("it has internal snapshots");
  if (layout_.dirty) return refuse("it was not closed; qemu-img check -r all repairs it");
  return {};
}

Result<void> Qcow2Disk::open() {
  TRY(map_.load());
  if (!file_.writable()) return {};
  TRY(check_writable());
  std::vector<uint64_t> tables = map_.tables();
  tables.push_back(0);  // The header.
  TRY(clusters_.load(std::move(tables)));
  // The last cluster may not be all there, and direct I/O wants whole blocks.
  uint64_t whole = (file_.size() + layout_.cluster_size() - 1) >> layout_.cluster_bits << layout_.cluster_bits;
  if (whole > file_.size()) TRY(file_.extend(whole));
  // Whoever keeps something beside the contents, as bitmaps of changes, learns from these bits that it is not kept up.
  if (layout_.autoclear == 0) return {};
  std::array<std::byte, sizeof(uint64_t)> none{};
  return file_.write(kQcow2AutoclearField, none);
}

uint64_t Qcow2Disk::size() const { return layout_.size / RawDisk::kSectorBytes * RawDisk::kSectorBytes; }

// As much from `offset` on as one call can read or write. Clusters that follow one another in the file are one run.
Result<Qcow2Disk::Run> Qcow2Disk::next_run(uint64_t offset, size_t size) {
  uint64_t cluster = offset >> layout_.cluster_bits, cluster_size = layout_.cluster_size();
  Run run{TRY(map_.find(cluster)), offset, std::min<uint64_t>(size, cluster_size - within(offset))};
  if (run.place.kind != Kind::kData) return run;
  if (file_.writable() && !run.place.is_ours) return run;  // A write copies it alone.
  for (uint64_t expected = run.place.offset + cluster_size; run.size < size; expected += cluster_size) {
    Place next = TRY(map_.find(++cluster));
    if (next.kind != Kind::kData || next.offset != expected || next.is_ours != run.place.is_ours) break;
    run.size += std::min<uint64_t>(size - run.size, cluster_size);
  }
  return run;
}

Result<void> Qcow2Disk::read(uint64_t offset, const Pieces& to) {
  for (size_t done = 0; done < to.size();) {
    Run run = TRY(next_run(offset + done, to.size() - done));
    TRY(read_run(run, run.size == to.size() ? to : to.part(done, run.size)));
    done += run.size;
  }
  return {};
}

Result<void> Qcow2Disk::read_run(const Run& run, const Pieces& to) {
  switch (run.place.kind) {
    case Kind::kData:
      return read_host(run.place.offset + within(run.offset), to);
    case Kind::kCompressed:
      return read_compressed(run, to);
    case Kind::kNothing:
      if (backing_) return read_backing(run.offset, to);
      [[fallthrough]];
    case Kind::kZero:
      to.fill_zero();
      return {};
  }
  return {};
}

// The last cluster of a file need not be whole: what is missing are zeros.
Result<void> Qcow2Disk::read_host(uint64_t offset, const Pieces& to) {
  uint64_t there = offset < file_.size() ? std::min<uint64_t>(to.size(), file_.size() - offset) : 0;
  if (there == to.size()) return file_.read(offset, to);
  if (there != 0) TRY(file_.read(offset, to.part(0, there)));
  to.part(there, to.size() - there).fill_zero();
  return {};
}

// A backing file may be shorter than the disk on top of it.
Result<void> Qcow2Disk::read_backing(uint64_t offset, const Pieces& to) {
  uint64_t size = backing_->size(), there = offset < size ? std::min<uint64_t>(to.size(), size - offset) : 0;
  if (there != 0) TRY(backing_->read(offset, to.part(0, there)));
  to.part(there, to.size() - there).fill_zero();
  return {};
}

// One cluster is kept: who reads one part of it mostly goes on to the next.
Result<void> Qcow2Disk::read_compressed(const Run& run, const Pieces& to) {
  if (inflated_entry_ != run.place.entry) {
    auto [offset, size] = map_.compressed_range(run.place.entry);
    std::vector<std::byte> deflated(std::min(size, file_.size() - offset));
    TRY(file_.read(offset, deflated));
    inflated_entry_ = 0;
    inflated_.resize(layout_.cluster_size());
    if (!inflate_into(deflated, inflated_))
      return fail(ErrorCode::kHost, file_.path() + ": a damaged qcow2 image: compressed data is not", EIO);
    inflated_entry_ = run.place.entry;
  }
  to.copy_from(std::span(inflated_).subspan(within(run.offset), to.size()));
  return {};
}

Result<void> Qcow2Disk::write(uint64_t offset, const Pieces& from) {
  for (size_t done = 0; done < from.size();) {
    Run run = TRY(next_run(offset + done, from.size() - done));
    Pieces part = run.size == from.size() ? from : from.part(done, run.size);
    if (run.place.kind == Kind::kData && run.place.is_ours) {
      TRY(file_.write(run.place.offset + within(run.offset), part));
    } else {
      run.size = std::min<uint64_t>(run.size, layout_.cluster_size() - within(run.offset));
      TRY(write_anew(run, part.part(0, run.size)));
    }
    done += run.size;
  }
  return after_change();
}

// Into a new cluster, with the rest of what the old one had.
Result<void> Qcow2Disk::write_anew(const Run& run, const Pieces& from) {
  uint64_t cluster = run.offset >> layout_.cluster_bits;
  if (run.place.kind == Kind::kData && clusters_.is_table(run.place.offset))
    return fail(ErrorCode::kHost, file_.path() + ": a damaged qcow2 image: contents where a table is", EIO);
  uint64_t offset = TRY(clusters_.allocate());
  auto done = fill(run, offset, from);
  if (done) done = map_.put(cluster, run.place, offset);
  if (!done) static_cast<void>(clusters_.release(offset));  // Nothing points to it.
  return done;
}

Result<void> Qcow2Disk::fill(const Run& run, uint64_t cluster_at, const Pieces& from) {
  bool empty = run.place.kind == Kind::kZero || (run.place.kind == Kind::kNothing && !backing_);
  bool whole = from.size() == layout_.cluster_size();
  if (whole || (empty && clusters_.is_fresh(cluster_at))) return file_.write(cluster_at + within(run.offset), from);
  std::vector<std::byte> bytes(layout_.cluster_size());
  Run old{run.place, run.offset - within(run.offset), bytes.size()};
  if (!empty) TRY(read_run(old, Pieces(bytes)));
  from.copy_to(std::span(bytes).subspan(within(run.offset), from.size()));
  return file_.write(cluster_at, bytes);
}

// Without flushes that mean something each change is brought to the file at once, so that it outlives our process. A
// guest that never flushes would make the image grow for ever: what it gives up is free again only then.
Result<void> Qcow2Disk::after_change() {
  if (file_.options().sync == Sync::kFull && map_.unreleased() < kMostUnreleased) return {};
  return map_.settle();
}

Result<void> Qcow2Disk::flush() {
  TRY(settle());
  return file_.flush();
}

Result<void> Qcow2Disk::settle() { return file_.writable() ? map_.settle() : Result<void>(); }

Result<void> Qcow2Disk::clear(uint64_t offset, uint64_t size, Clearing clearing) {
  uint64_t end = offset + size, cluster_size = layout_.cluster_size();
  for (uint64_t at = offset; at < end;) {
    uint64_t part = std::min(end - at, cluster_size - within(at));
    // The last cluster of a disk may be cut off.
    bool whole = within(at) == 0 && (part == cluster_size || at + part == this->size());
    if (whole) {
      TRY(clear_cluster(at >> layout_.cluster_bits, clearing));
    } else if (clearing == Clearing::kZero) {
      TRY(clear_part(at, part));
    }
    at += part;
  }
  return after_change();
}

Result<void> Qcow2Disk::clear_cluster(uint64_t cluster, Clearing clearing) {
  Place place = TRY(map_.find(cluster));
  if (place.kind == Kind::kData && clusters_.is_table(place.offset))
    return fail(ErrorCode::kHost, file_.path() + ": a damaged qcow2 image: contents where a table is", EIO);
  bool nothing = place.kind == Kind::kNothing;
  if (!backing_) {
    if (nothing) return {};
    return map_.put(cluster, place, Qcow2Map::Empty::kNothing);
  }
  // What is in the backing file must not show.
  if (layout_.version >= 3) {
    if (place.kind == Kind::kZero || (nothing && clearing == Clearing::kDiscard)) return {};
    return map_.put(cluster, place, Qcow2Map::Empty::kZero);
  }
  if (clearing == Clearing::kDiscard) return {};
  uint64_t at = cluster << layout_.cluster_bits;
  return clear_part(at, std::min(layout_.cluster_size(), size() - at));
}

Result<void> Qcow2Disk::clear_part(uint64_t offset, size_t size) {
  Place place = TRY(map_.find(offset >> layout_.cluster_bits));
  if (place.kind == Kind::kZero || (place.kind == Kind::kNothing && !backing_)) return {};
  std::vector<std::byte> zeros(size);
  return write(offset, Pieces(zeros));
}

Result<void> Qcow2Disk::discard(uint64_t offset, uint64_t size) { return clear(offset, size, Clearing::kDiscard); }

// A cluster of zeros takes no space, wanted or not.
Result<void> Qcow2Disk::zero(uint64_t offset, uint64_t size, Space) { return clear(offset, size, Clearing::kZero); }

// Where in the file a part of the disk is, if that is one run and known without reading. Nothing else.
std::optional<uint64_t> Qcow2Disk::place_at_once(uint64_t offset, size_t size) {
  std::optional<uint64_t> start;
  uint64_t first = offset >> layout_.cluster_bits, last = (offset + size - 1) >> layout_.cluster_bits;
  for (uint64_t cluster = first; cluster <= last; ++cluster) {
    auto place = map_.find_at_once(cluster);
    if (!place || place->kind != Kind::kData || (file_.writable() && !place->is_ours)) return std::nullopt;
    if (!start) start = place->offset;
    if (place->offset != *start + ((cluster - first) << layout_.cluster_bits)) return std::nullopt;
  }
  return *start + within(offset);
}

std::optional<Result<void>> Qcow2Disk::read_at_once(uint64_t offset, const Pieces& to) {
  auto at = place_at_once(offset, to.size());
  return at ? file_.read_at_once(*at, to) : std::nullopt;
}

std::optional<Result<void>> Qcow2Disk::write_at_once(uint64_t offset, const Pieces& from) {
  auto at = place_at_once(offset, from.size());
  return at ? file_.write_at_once(*at, from) : std::nullopt;
}

}  // namespace cloche::block
