#include "devices/block/qcow2_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "devices/block/big_endian.h"

namespace cloche::block {
namespace {

constexpr uint32_t kMagic = 0x514649fb;  // "QFI\xfb"
constexpr size_t kVersion3Bytes = 104;
constexpr uint32_t kLeastClusterBits = 9, kMostClusterBits = 21;
// Of L1 and of the refcount table, which are kept in memory: with clusters of 64 KiB, disks of 512 TiB.
constexpr uint64_t kMostTableBytes = 8 << 20;
constexpr uint32_t kMostBackingName = 1023;
constexpr uint64_t kMostSize = 1ull << 56;  // An L2 entry can point no further.

// Incompatible features.
constexpr uint64_t kDirty = 1, kCorrupt = 2;
constexpr std::array<const char*, 5> kFeatureNames{"dirty", "corrupt", "external data file", "compression type",
                                                   "extended L2 entries"};

std::unexpected<Error> bad(const HostFile& file, std::string_view why) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("{}: a damaged qcow2 image: {}", file.path(), why));
}

std::unexpected<Error> unknown(const HostFile& file, std::string_view what) {
  return fail(ErrorCode::kUnsupported,
              fmt::format("{}: a qcow2 image with {}, which is not supported", file.path(), what));
}

Result<void> check_features(const HostFile& file, uint64_t incompatible) {
  if ((incompatible & kCorrupt) != 0)
    return fail(ErrorCode::kInvalidArgument,
                file.path() + ": a qcow2 image that is marked as corrupt; qemu-img check -r all may repair it");
  for (unsigned bit = 0; bit < 64; ++bit) {
    if ((incompatible & ~kDirty & 1ull << bit) == 0) continue;
    return unknown(file, bit < kFeatureNames.size() ? std::string(kFeatureNames[bit]) : fmt::format("feature {}", bit));
  }
  return {};
}

// A table of `bytes` bytes that begins with a cluster and is all there.
bool lies_within(const HostFile& file, const Qcow2Layout& layout, uint64_t offset, uint64_t bytes) {
  return offset != 0 && offset % layout.cluster_size() == 0 && offset <= file.size() && bytes <= file.size() - offset;
}

Result<void> check_tables(const HostFile& file, const Qcow2Layout& layout) {
  uint64_t per_l1_entry = layout.entries() << layout.cluster_bits;
  uint64_t needed = layout.size / per_l1_entry + (layout.size % per_l1_entry != 0 ? 1 : 0);
  uint64_t l1_bytes = uint64_t{layout.l1_entries} * sizeof(uint64_t);
  if (l1_bytes > kMostTableBytes) return unknown(file, fmt::format("an L1 table of {} entries", layout.l1_entries));
  if (layout.l1_entries < needed) return bad(file, "its L1 table is too small for its size");
  if (layout.l1_entries != 0 && !lies_within(file, layout, layout.l1_offset, l1_bytes))
    return bad(file, "its L1 table is not in it");
  uint64_t refcount_bytes = uint64_t{layout.refcounts_clusters} << layout.cluster_bits;
  if (refcount_bytes > kMostTableBytes)
    return unknown(file, fmt::format("a refcount table of {} clusters", layout.refcounts_clusters));
  if (refcount_bytes == 0 || !lies_within(file, layout, layout.refcounts_offset, refcount_bytes))
    return bad(file, "its refcount table is not in it");
  return {};
}

Result<void> read_version_3(const HostFile& file, std::span<const std::byte> raw, Qcow2Layout& layout) {
  uint64_t incompatible = load_big<uint64_t>(raw, 72);
  TRY(check_features(file, incompatible));
  layout.dirty = (incompatible & kDirty) != 0;
  layout.autoclear = load_big<uint64_t>(raw, kQcow2AutoclearField);
  uint32_t order = load_big<uint32_t>(raw, 96), length = load_big<uint32_t>(raw, 100);
  if (order > 6) return bad(file, fmt::format("refcounts of 2^{} bits", order));
  if (length < kVersion3Bytes || length > layout.cluster_size())
    return bad(file, fmt::format("a header of {} bytes", length));
  layout.refcount_bits = 1u << order;
  return {};
}

Result<void> read_backing_name(const HostFile& file, std::span<const std::byte> raw, Qcow2Layout& layout) {
  uint64_t offset = load_big<uint64_t>(raw, 8);
  uint32_t size = load_big<uint32_t>(raw, 16);
  if (offset == 0) return {};
  bool inside = offset < layout.cluster_size() && size <= layout.cluster_size() - offset;
  if (size == 0 || size > kMostBackingName || !inside) return bad(file, "the name of its backing file is not in it");
  layout.backing_name.resize(size);
  return file.read(offset, std::as_writable_bytes(std::span(layout.backing_name)));
}

}  // namespace

Result<Qcow2Layout> read_qcow2_layout(const HostFile& file) {
  std::array<std::byte, kVersion3Bytes> raw{};
  if (file.size() < raw.size()) return bad(file, "shorter than a header");
  TRY(file.read(0, raw));
  Qcow2Layout layout;
  if (load_big<uint32_t>(raw, 0) != kMagic)
    return fail(ErrorCode::kInvalidArgument, file.path() + ": not a qcow2 image; say format=raw if it is a raw one");
  layout.version = load_big<uint32_t>(raw, 4);
  if (layout.version != 2 && layout.version != 3) return unknown(file, fmt::format("version {}", layout.version));
  layout.cluster_bits = load_big<uint32_t>(raw, 20);
  if (layout.cluster_bits < kLeastClusterBits || layout.cluster_bits > kMostClusterBits)
    return bad(file, fmt::format("clusters of 2^{} bytes", layout.cluster_bits));
  layout.size = load_big<uint64_t>(raw, 24);
  if (layout.size > kMostSize) return bad(file, fmt::format("a disk of {} bytes", layout.size));
  if (load_big<uint32_t>(raw, 32) != 0) return unknown(file, "encryption");
  layout.l1_entries = load_big<uint32_t>(raw, 36);
  layout.l1_offset = load_big<uint64_t>(raw, 40);
  layout.refcounts_offset = load_big<uint64_t>(raw, kQcow2RefcountsField);
  layout.refcounts_clusters = load_big<uint32_t>(raw, kQcow2RefcountsField + sizeof(uint64_t));
  layout.snapshots = load_big<uint32_t>(raw, 60);
  if (layout.version == 3) TRY(read_version_3(file, raw, layout));
  TRY(check_tables(file, layout));
  TRY(read_backing_name(file, raw, layout));
  return layout;
}

}  // namespace cloche::block
