// What the tables that a PC's firmware leaves in memory have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cloche::x86_64 {

// The byte that makes the sum of all of them zero, where it stands for one of zero.
inline uint8_t checksum(std::span<const std::byte> bytes) {
  uint8_t sum = 0;
  for (std::byte each : bytes) sum = static_cast<uint8_t>(sum + static_cast<uint8_t>(each));
  return static_cast<uint8_t>(-sum);
}

}  // namespace cloche::x86_64
