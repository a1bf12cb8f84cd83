// What stands in front of each frame in a virtio-net queue (virtio 1.2, section 5.1.6), and the features that give its
// fields their meaning (section 5.1.3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/endian.h"

namespace cloche::net {

inline constexpr uint64_t kCsum = 1ull << 0;       // The guest may leave checksums of what it sends to us.
inline constexpr uint64_t kGuestCsum = 1ull << 1;  // It takes frames whose checksum is unfinished.
inline constexpr uint64_t kMtu = 1ull << 3;
inline constexpr uint64_t kMac = 1ull << 5;
inline constexpr uint64_t kGuestTso4 = 1ull << 7;  // It takes TCP segments larger than its MTU,
inline constexpr uint64_t kGuestTso6 = 1ull << 8;
inline constexpr uint64_t kGuestUfo = 1ull << 10;
inline constexpr uint64_t kHostTso4 = 1ull << 11;  // and may send such.
inline constexpr uint64_t kHostTso6 = 1ull << 12;
inline constexpr uint64_t kHostUfo = 1ull << 14;
inline constexpr uint64_t kMergeBuffers = 1ull << 15;  // VIRTIO_NET_F_MRG_RXBUF
inline constexpr uint64_t kStatus = 1ull << 16;

// What concerns the contents of frames, and so the back end.
inline constexpr uint64_t kOffloads =
    kCsum | kGuestCsum | kGuestTso4 | kGuestTso6 | kGuestUfo | kHostTso4 | kHostTso6 | kHostUfo;
// Large frames the guest takes need GUEST_CSUM, those it sends CSUM (section 5.1.3.1).
constexpr bool offloads_agree(uint64_t features) {
  bool takes_large = (features & (kGuestTso4 | kGuestTso6 | kGuestUfo)) != 0;
  bool sends_large = (features & (kHostTso4 | kHostTso6 | kHostUfo)) != 0;
  return (!takes_large || (features & kGuestCsum) != 0) && (!sends_large || (features & kCsum) != 0);
}

struct Header {
  static constexpr uint8_t kNeedsCsum = 1;
  static constexpr uint8_t kDataValid = 2;
  static constexpr uint8_t kGsoNone = 0;
  static constexpr uint8_t kGsoTcp4 = 1;
  static constexpr uint8_t kGsoUdp = 3;
  static constexpr uint8_t kGsoTcp6 = 4;

  uint8_t flags = 0;
  uint8_t gso_type = 0;
  le16 header_length{};  // Of Ethernet, IP and TCP or UDP together; a hint.
  le16 gso_size{};
  le16 csum_start{}, csum_offset{};
  le16 buffers{};  // Towards the guest: over how many buffers the frame is spread.
};
static_assert(sizeof(Header) == 12 && alignof(Header) == 1);

// 64 KiB of IP with an Ethernet header and a VLAN tag: no link carries more.
inline constexpr size_t kMostFrame = 65535 + 18;
inline constexpr size_t kLeastFrame = 14;  // An Ethernet header.
inline constexpr size_t kMostPacket = sizeof(Header) + kMostFrame;

// Whether a guest that acknowledged `features` may send a frame of `size` bytes with this header: nothing that was not
// negotiated, and no offset that leads out of the frame.
bool valid(const Header& header, size_t size, uint64_t features);

// Completes the one's complement sum that a valid `header` with kNeedsCsum leaves to us.
void complete_checksum(const Header& header, std::span<std::byte> frame);

}  // namespace cloche::net
