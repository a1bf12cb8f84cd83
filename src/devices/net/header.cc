#include "devices/net/header.h"

#include <algorithm>
#include <cstring>

namespace cloche::net {
namespace {

constexpr size_t kChecksumSize = 2;
constexpr size_t kUdpChecksumOffset = 6;

// The feature that a large frame of this kind needs; 0: there is none, so nobody may send it. ECN and UDP segmentation
// offload are not offered.
uint64_t feature_of(uint8_t gso_type) {
  switch (gso_type) {
    case Header::kGsoTcp4:
      return kHostTso4;
    case Header::kGsoTcp6:
      return kHostTso6;
    case Header::kGsoUdp:
      return kHostUfo;
    default:
      return 0;
  }
}

// Two 64-bit sums, added to in one instruction on any processor that we know.
using Sums [[gnu::vector_size(16)]] = uint64_t;

// Of 16-bit words in this host's order: the sum's bytes then lie in the frame's order. 2^32 = 1 modulo 2^16 - 1, so
// they may be added two at a time; and so few of them never leave 64 bits.
uint64_t sum_of_words(std::span<const std::byte> bytes) {
  constexpr uint64_t kLowHalf = UINT32_MAX;
  Sums low{}, high{};
#pragma GCC unroll 4
  for (; bytes.size() >= sizeof(Sums); bytes = bytes.subspan(sizeof(Sums))) {
    Sums words;
    std::memcpy(&words, bytes.data(), sizeof words);
    low += words & kLowHalf;
    high += words >> 32;
  }
  Sums rest{};
  std::memcpy(&rest, bytes.data(), bytes.size());
  Sums all = low + high + (rest & kLowHalf) + (rest >> 32);
  return (all[0] & kLowHalf) + (all[0] >> 32) + (all[1] & kLowHalf) + (all[1] >> 32);
}

bool checksum_in_frame(const Header& header, size_t size) {
  size_t field = size_t{header.csum_start} + header.csum_offset;
  return header.csum_start >= kLeastFrame && field + kChecksumSize <= size;
}

}  // namespace

bool valid(const Header& header, size_t size, uint64_t features) {
  if (size < kLeastFrame || size > kMostFrame) return false;
  bool needs_checksum = (header.flags & Header::kNeedsCsum) != 0;
  if (needs_checksum && ((features & kCsum) == 0 || !checksum_in_frame(header, size))) return false;
  if (header.gso_type == Header::kGsoNone) return true;
  // A segment carries part of what its frame's checksum covers: whoever cuts has to compute it anew.
  return (features & feature_of(header.gso_type)) != 0 && needs_checksum && header.gso_size != 0 &&
         header.header_length <= size;
}

void complete_checksum(const Header& header, std::span<std::byte> frame) {
  uint64_t sum = sum_of_words(frame.subspan(header.csum_start));
  while (sum > UINT16_MAX) sum = (sum & UINT16_MAX) + (sum >> 16);
  auto checksum = static_cast<uint16_t>(~sum);
  // In UDP zero says that there is none.
  if (checksum == 0 && header.csum_offset == kUdpChecksumOffset) checksum = UINT16_MAX;
  std::memcpy(frame.data() + header.csum_start + header.csum_offset, &checksum, sizeof checksum);
}

}  // namespace cloche::net
