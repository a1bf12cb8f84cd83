#include "virtio/device.h"

#include <algorithm>
#include <cstring>

namespace cloche::virtio {

void Device::read_config(uint64_t offset, std::span<std::byte> out) const { read_config_bytes({}, offset, out); }

void Device::write_config(uint64_t offset, std::span<const std::byte> data) {
  // Read-only, as in nearly all devices: a driver that writes is ignored.
  static_cast<void>(offset);
  static_cast<void>(data);
}

void read_config_bytes(std::span<const std::byte> config, uint64_t offset, std::span<std::byte> out) {
  std::ranges::fill(out, std::byte{0});
  if (offset >= config.size()) return;
  size_t size = std::min<uint64_t>(out.size(), config.size() - offset);
  if (size != 0) std::memcpy(out.data(), config.data() + offset, size);
}

}  // namespace cloche::virtio
