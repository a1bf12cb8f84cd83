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

// A frame's largest part is summed in steps of so many bytes.
constexpr size_t kCheckedAtOnce = 64;

// 2^64 = 1 modulo 2^16 - 1, so words may be added four at a time, and what is carried out comes in again.
uint64_t add(uint64_t sum, uint64_t words) {
  sum += words;
  return sum + (sum < words ? 1 : 0);
}

uint64_t load(std::span<const std::byte> bytes) {
  uint64_t words = 0;
  std::memcpy(&words, bytes.data(), bytes.size());
  return words;
}

bool checksum_in_frame(const Header& header, size_t size) {
  size_t field = size_t{header.csum_start} + header.csum_offset;
  return header.csum_start >= kLeastFrame && field + kChecksumSize <= size;
}

}  // namespace

bool valid(const Header& header, size_t size, uint64_t features) {
  if (size < kLeastFrame || size > kMostFrame) return false;
  bool needs_checksum = (header.flags & Header::kNeedsCsum) != 0;
  if ((header.flags & ~Header::kNeedsCsum) != 0) return false;
  if (needs_checksum && ((features & kCsum) == 0 || !checksum_in_frame(header, size))) return false;
  if (header.gso_type == Header::kGsoNone) return true;
  // A segment carries part of what its frame's checksum covers: whoever cuts has to compute it anew.
  return (features & feature_of(header.gso_type)) != 0 && needs_checksum && header.gso_size != 0 &&
         header.header_length <= size;
}

void complete_checksum(const Header& header, std::span<std::byte> frame) {
  std::span<const std::byte> covered = frame.subspan(header.csum_start);
  uint64_t sum = 0;  // Of 16-bit words in this host's order: the sum's bytes then lie in the frame's order.
  while (covered.size() >= kCheckedAtOnce) {
#pragma GCC unroll 8
    for (size_t i = 0; i < kCheckedAtOnce; i += sizeof(uint64_t)) sum = add(sum, load(covered.subspan(i, sizeof sum)));
    covered = covered.subspan(kCheckedAtOnce);
  }
  for (; !covered.empty(); covered = covered.subspan(std::min(covered.size(), sizeof sum)))
    sum = add(sum, load(covered.first(std::min(covered.size(), sizeof sum))));
  while (sum > UINT16_MAX) sum = (sum & UINT16_MAX) + (sum >> 16);
  auto checksum = static_cast<uint16_t>(~sum);
  // In UDP zero says that there is none.
  if (checksum == 0 && header.csum_offset == kUdpChecksumOffset) checksum = UINT16_MAX;
  std::memcpy(frame.data() + header.csum_start + header.csum_offset, &checksum, sizeof checksum);
}

}  // namespace cloche::net
