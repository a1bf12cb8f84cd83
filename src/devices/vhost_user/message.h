// Layouts and numbers of the vhost-user protocol (QEMU's docs/interop/vhost-user), under the names it gives them.
//
// Both ends run on one computer, so every field has that computer's byte order.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cloche::vhost_user {

enum class Request : uint32_t {
  kGetFeatures = 1,
  kSetFeatures = 2,
  kSetOwner = 3,
  kSetMemTable = 5,
  kSetVringNum = 8,
  kSetVringAddr = 9,
  kSetVringBase = 10,
  kGetVringBase = 11,
  kSetVringKick = 12,
  kSetVringCall = 13,
  kGetProtocolFeatures = 15,
  kSetProtocolFeatures = 16,
  kGetQueueNum = 17,
  kSetVringEnable = 18,
  kGetConfig = 24,
  kSetConfig = 25,
};

struct Header {
  uint32_t request;
  uint32_t flags;
  uint32_t size;  // Bytes of payload that follow.
};
static_assert(sizeof(Header) == 12);

inline constexpr uint32_t kVersion = 1;
inline constexpr uint32_t kVersionMask = 3;
inline constexpr uint32_t kFlagReply = 4;
inline constexpr uint32_t kFlagNeedReply = 8;

// A virtio feature bit that says that protocol features can be asked for; never shown to the guest.
inline constexpr uint64_t kFeatureProtocolFeatures = 1ull << 30;

inline constexpr uint64_t kProtocolMq = 1ull << 0;
inline constexpr uint64_t kProtocolReplyAck = 1ull << 3;
inline constexpr uint64_t kProtocolConfig = 1ull << 9;

// The most memory regions in a table, from the protocol.
inline constexpr size_t kMaxRegions = 8;
// VHOST_USER_MAX_CONFIG_SIZE: the most bytes of config space.
inline constexpr size_t kMaxConfigBytes = 256;

struct VringState {
  uint32_t index;
  uint32_t value;
};

// Addresses are in the numbers of MemoryTableRegion::user_address.
struct VringAddress {
  uint32_t index;
  uint32_t flags;
  uint64_t descriptors;
  uint64_t used;
  uint64_t available;
  uint64_t log;
};
static_assert(sizeof(VringAddress) == 40);

struct MemoryTableHeader {
  uint32_t count;
  uint32_t padding;
};

struct MemoryTableRegion {
  uint64_t guest_address;
  uint64_t size;  // Bytes.
  uint64_t user_address;
  uint64_t file_offset;  // Where it begins in its descriptor.
};
static_assert(sizeof(MemoryTableRegion) == 32);

struct ConfigHeader {
  uint32_t offset;
  uint32_t size;  // Bytes that follow.
  uint32_t flags;
};
static_assert(sizeof(ConfigHeader) == 12);

}  // namespace cloche::vhost_user
