#include "devices/net/header.h"

#include <gtest/gtest.h>

#include "devices/net/testing/fake_back_end.h"

namespace cloche::net {
namespace {

constexpr uint64_t kAll = kOffloads;

Header needs_checksum(uint16_t start, uint16_t offset) {
  return {.flags = Header::kNeedsCsum, .csum_start = start, .csum_offset = offset};
}

TEST(NetHeader, PlainFramesFromTheSmallestToTheLargest) {
  EXPECT_FALSE(valid({}, kLeastFrame - 1, kAll));
  EXPECT_TRUE(valid({}, kLeastFrame, 0));
  EXPECT_TRUE(valid({}, kMostFrame, 0));
  EXPECT_FALSE(valid({}, kMostFrame + 1, kAll));
}

// Trap: DPDK CVE-2024-11614.
TEST(NetHeader, ChecksumLiesInTheFrame) {
  EXPECT_TRUE(valid(needs_checksum(34, 16), 54, kAll));
  EXPECT_TRUE(valid(needs_checksum(34, 16), 52, kAll));
  EXPECT_FALSE(valid(needs_checksum(34, 16), 51, kAll));
  EXPECT_FALSE(valid(needs_checksum(34, 16), 54, kAll & ~kCsum));
  EXPECT_FALSE(valid(needs_checksum(13, 6), 54, kAll));
  EXPECT_FALSE(valid(needs_checksum(0xffff, 0xffff), 54, kAll));
  EXPECT_FALSE(valid(needs_checksum(0xffff, 0xffff), kMostFrame, kAll));
}

TEST(NetHeader, LargeFramesOnlyAsNegotiated) {
  Header header = needs_checksum(34, 16);
  header.gso_size = uint16_t{1448};
  header.header_length = uint16_t{54};
  for (auto [type, feature] : {std::pair{Header::kGsoTcp4, kHostTso4}, std::pair{Header::kGsoTcp6, kHostTso6},
                               std::pair{Header::kGsoUdp, kHostUfo}}) {
    header.gso_type = type;
    EXPECT_TRUE(valid(header, 9000, kCsum | feature));
    EXPECT_FALSE(valid(header, 9000, kAll & ~feature));
    header.gso_type = static_cast<uint8_t>(type | 0x80);  // ECN, which is not offered.
    EXPECT_FALSE(valid(header, 9000, kAll));
  }
  for (int type : {2, 5, 6, 127, 255}) {
    header.gso_type = static_cast<uint8_t>(type);
    EXPECT_FALSE(valid(header, 9000, ~0ull));
  }
}

TEST(NetHeader, LargeFramesNeedTheirSizes) {
  Header header = needs_checksum(34, 16);
  header.gso_type = Header::kGsoTcp4;
  header.gso_size = uint16_t{1448};
  header.header_length = uint16_t{9001};
  EXPECT_FALSE(valid(header, 9000, kAll));
  header.header_length = uint16_t{54};
  header.gso_size = uint16_t{0};
  EXPECT_FALSE(valid(header, 9000, kAll));
  header.gso_size = uint16_t{1448};
  header.flags = 0;
  EXPECT_FALSE(valid(header, 9000, kAll));
}

// virtio 1.2, section 5.1.6.2.2.
TEST(NetHeader, UnknownFlagsAreNoMatter) {
  for (int flags : {2, 4, 8, 0x80}) EXPECT_TRUE(valid({.flags = static_cast<uint8_t>(flags)}, 100, ~0ull));
}

TEST(NetHeader, FeaturesAgree) {
  EXPECT_TRUE(offloads_agree(0));
  EXPECT_TRUE(offloads_agree(kOffloads));
  EXPECT_FALSE(offloads_agree(kGuestTso4));
  EXPECT_FALSE(offloads_agree(kGuestCsum | kHostTso6));
}

// RFC 1071, section 3: the sum of this is ddf2.
TEST(NetHeader, Checksum) {
  Bytes frame(14 + 10);
  const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  for (size_t i = 0; i < sizeof data; ++i) frame[14 + i] = std::byte{data[i]};
  complete_checksum(needs_checksum(14, 8), frame);
  EXPECT_EQ(frame[22], std::byte{0x22});
  EXPECT_EQ(frame[23], std::byte{0x0d});
}

TEST(NetHeader, ChecksumOfAnOddNumberOfBytes) {
  Bytes frame(14 + 3);
  frame[14 + 2] = std::byte{0x12};
  complete_checksum(needs_checksum(14, 0), frame);
  EXPECT_EQ(frame[14], std::byte{0xed});
  EXPECT_EQ(frame[15], std::byte{0xff});
}

// Against the sum as RFC 1071 defines it, of lengths around what is summed at once.
TEST(NetHeader, ChecksumsOfEveryLength) {
  for (size_t size = 2; size < 300; ++size) {
    Bytes frame(14 + size, std::byte{0xff});
    for (size_t i = 0; i < size / 2; ++i) frame[14 + i] = static_cast<std::byte>(i * 37 + size);
    uint32_t sum = 0;
    for (size_t i = 0; i < size; ++i) sum += static_cast<uint32_t>(frame[14 + i]) << (i % 2 == 0 ? 8 : 0);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    complete_checksum(needs_checksum(14, 0), frame);
    uint32_t found = static_cast<uint32_t>(frame[14]) << 8 | static_cast<uint32_t>(frame[15]);
    EXPECT_EQ(found, ~sum & 0xffff) << size;
  }
}

TEST(NetHeader, UdpChecksumIsNeverZero) {
  Bytes frame(14 + 8);
  frame[14] = frame[15] = std::byte{0xff};
  complete_checksum(needs_checksum(14, 6), frame);
  EXPECT_EQ(frame[20], std::byte{0xff});
  EXPECT_EQ(frame[21], std::byte{0xff});
}

}  // namespace
}  // namespace cloche::net
