// What a driver does with a transport's registers, for tests and fuzzers.
#pragma once

#include "virtio/mmio_transport.h"
#include "virtio/queue.h"

namespace cloche::virtio {

inline uint32_t read_register(MmioTransport& transport, uint64_t offset) {
  uint32_t value = 0x12345678;
  transport.read(offset, std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

inline void write_register(MmioTransport& transport, uint64_t offset, uint32_t value) {
  transport.write(offset, std::as_bytes(std::span(&value, 1)));
}

inline uint64_t read_features(MmioTransport& transport) {
  uint64_t features = 0;
  for (uint32_t half : {1u, 0u}) {
    write_register(transport, mmio::kDeviceFeaturesSel, half);
    features = features << 32 | read_register(transport, mmio::kDeviceFeatures);
  }
  return features;
}

inline void write_features(MmioTransport& transport, uint64_t features) {
  for (uint32_t half : {0u, 1u}) {
    write_register(transport, mmio::kDriverFeaturesSel, half);
    write_register(transport, mmio::kDriverFeatures, static_cast<uint32_t>(features >> (32 * half)));
  }
}

inline void set_queue(MmioTransport& transport, uint32_t index, const QueueLayout& layout) {
  auto write_address = [&](uint64_t low, GuestAddr address) {
    write_register(transport, low, static_cast<uint32_t>(address.value));
    write_register(transport, low + 4, static_cast<uint32_t>(address.value >> 32));
  };
  write_register(transport, mmio::kQueueSel, index);
  write_register(transport, mmio::kQueueNum, layout.size);
  write_address(mmio::kQueueDescLow, layout.descriptors);
  write_address(mmio::kQueueDriverLow, layout.driver_ring);
  write_address(mmio::kQueueDeviceLow, layout.device_ring);
  write_register(transport, mmio::kQueueReady, 1);
}

}  // namespace cloche::virtio
