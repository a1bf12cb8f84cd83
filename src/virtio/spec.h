// Constants of the virtio specification, version 1.2, under the names it gives them.
#pragma once

#include <cstdint>

namespace cloche::virtio {

// Device ids (section 5).
inline constexpr uint32_t kIdNet = 1;
inline constexpr uint32_t kIdBlock = 2;
inline constexpr uint32_t kIdConsole = 3;
inline constexpr uint32_t kIdRng = 4;
inline constexpr uint32_t kIdBalloon = 5;
inline constexpr uint32_t kIdVsock = 19;
inline constexpr uint32_t kIdFs = 26;

// Feature bits that belong to the ring and the transport (section 6).
inline constexpr uint64_t kFeatureRingIndirectDesc = 1ull << 28;
inline constexpr uint64_t kFeatureRingEventIdx = 1ull << 29;
inline constexpr uint64_t kFeatureVersion1 = 1ull << 32;
inline constexpr uint64_t kRingFeatures = kFeatureRingIndirectDesc | kFeatureRingEventIdx | kFeatureVersion1;

// Device status (section 2.1).
inline constexpr uint32_t kStatusAcknowledge = 1;
inline constexpr uint32_t kStatusDriver = 2;
inline constexpr uint32_t kStatusDriverOk = 4;
inline constexpr uint32_t kStatusFeaturesOk = 8;
inline constexpr uint32_t kStatusDeviceNeedsReset = 64;
inline constexpr uint32_t kStatusFailed = 128;

// Split virtqueues (section 2.7).
inline constexpr uint16_t kDescNext = 1;
inline constexpr uint16_t kDescWrite = 2;
inline constexpr uint16_t kDescIndirect = 4;
inline constexpr uint16_t kAvailNoInterrupt = 1;
inline constexpr uint64_t kDescriptorSize = 16;
inline constexpr uint64_t kRingHeaderSize = 4;   // flags, idx: before the entries of either ring.
inline constexpr uint64_t kRingTrailerSize = 2;  // used_event or avail_event, after them.
inline constexpr uint64_t kAvailEntrySize = 2;
inline constexpr uint64_t kUsedEntrySize = 8;
inline constexpr uint16_t kMaxQueueSize = 32768;

// Registers of the memory-mapped transport (section 4.2.2), as offsets from its base.
namespace mmio {
inline constexpr uint64_t kMagicValue = 0x000;
inline constexpr uint64_t kVersion = 0x004;
inline constexpr uint64_t kDeviceId = 0x008;
inline constexpr uint64_t kVendorId = 0x00c;
inline constexpr uint64_t kDeviceFeatures = 0x010;
inline constexpr uint64_t kDeviceFeaturesSel = 0x014;
inline constexpr uint64_t kDriverFeatures = 0x020;
inline constexpr uint64_t kDriverFeaturesSel = 0x024;
inline constexpr uint64_t kQueueSel = 0x030;
inline constexpr uint64_t kQueueNumMax = 0x034;
inline constexpr uint64_t kQueueNum = 0x038;
inline constexpr uint64_t kQueueReady = 0x044;
inline constexpr uint64_t kQueueNotify = 0x050;
inline constexpr uint64_t kInterruptStatus = 0x060;
inline constexpr uint64_t kInterruptAck = 0x064;
inline constexpr uint64_t kStatus = 0x070;
inline constexpr uint64_t kQueueDescLow = 0x080;
inline constexpr uint64_t kQueueDescHigh = 0x084;
inline constexpr uint64_t kQueueDriverLow = 0x090;
inline constexpr uint64_t kQueueDriverHigh = 0x094;
inline constexpr uint64_t kQueueDeviceLow = 0x0a0;
inline constexpr uint64_t kQueueDeviceHigh = 0x0a4;
inline constexpr uint64_t kShmSel = 0x0ac;
inline constexpr uint64_t kShmLenLow = 0x0b0;
inline constexpr uint64_t kShmLenHigh = 0x0b4;
inline constexpr uint64_t kShmBaseLow = 0x0b8;
inline constexpr uint64_t kShmBaseHigh = 0x0bc;
inline constexpr uint64_t kConfigGeneration = 0x0fc;
inline constexpr uint64_t kConfig = 0x100;

inline constexpr uint32_t kMagic = 0x74726976;  // "virt"
inline constexpr uint32_t kInterfaceVersion = 2;

// Bits of InterruptStatus.
inline constexpr uint32_t kInterruptQueue = 1;
inline constexpr uint32_t kInterruptConfig = 2;
}  // namespace mmio

}  // namespace cloche::virtio
