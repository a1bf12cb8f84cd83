// Requests of virtio-blk as they lie in guest memory, and what else of section 5.2 has numbers.
#pragma once

#include <cstdint>

#include "base/endian.h"

namespace cloche::block {

inline constexpr uint64_t kSectorBytes = 512;  // The unit of every sector number, whatever the disk's own is.

// Feature bits (section 5.2.3).
inline constexpr uint64_t kFeatureSizeMax = 1ull << 1;
inline constexpr uint64_t kFeatureSegMax = 1ull << 2;
inline constexpr uint64_t kFeatureReadOnly = 1ull << 5;
inline constexpr uint64_t kFeatureBlkSize = 1ull << 6;
inline constexpr uint64_t kFeatureFlush = 1ull << 9;
inline constexpr uint64_t kFeatureDiscard = 1ull << 13;
inline constexpr uint64_t kFeatureWriteZeroes = 1ull << 14;

// Request types (section 5.2.6).
inline constexpr uint32_t kTypeIn = 0;
inline constexpr uint32_t kTypeOut = 1;
inline constexpr uint32_t kTypeFlush = 4;
inline constexpr uint32_t kTypeGetId = 8;
inline constexpr uint32_t kTypeDiscard = 11;
inline constexpr uint32_t kTypeWriteZeroes = 13;

inline constexpr uint8_t kStatusOk = 0;
inline constexpr uint8_t kStatusIoErr = 1;
inline constexpr uint8_t kStatusUnsupp = 2;

inline constexpr size_t kIdBytes = 20;

struct Header {
  le32 type;
  le32 reserved;
  le64 sector;
};
static_assert(sizeof(Header) == 16);

// Of discard and write zeroes.
struct Segment {
  le64 sector;
  le32 sectors;
  le32 flags;
};
static_assert(sizeof(Segment) == 16);
inline constexpr uint32_t kSegmentUnmap = 1;

// Config space (section 5.2.4).
struct Config {
  le64 capacity{0};  // In sectors.
  le32 size_max{0};
  le32 seg_max{0};
  uint8_t geometry[4] = {};
  le32 blk_size{0};
  uint8_t topology[8] = {};
  uint8_t writeback = 0;
  uint8_t unused0 = 0;
  le16 num_queues{0};
  le32 max_discard_sectors{0};
  le32 max_discard_seg{0};
  le32 discard_sector_alignment{0};
  le32 max_write_zeroes_sectors{0};
  le32 max_write_zeroes_seg{0};
  uint8_t write_zeroes_may_unmap = 0;
  uint8_t unused1[3] = {};
};
static_assert(sizeof(Config) == 60);

}  // namespace cloche::block
