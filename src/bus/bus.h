// The machine as a device sees it: accesses that reach it by address, and a line to interrupt the guest with.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"

namespace cloche {

// Something at addresses. Called on vCPU threads, possibly several at once; an access is 1, 2, 4 or 8 bytes and never
// blocks long.
class BusDevice {
 public:
  virtual ~BusDevice() = default;
  // `offset` counts from the device's base. Bytes that mean nothing are left as they are (all ones).
  virtual void read(uint64_t offset, std::span<std::byte> data) = 0;
  virtual void write(uint64_t offset, std::span<const std::byte> data) = 0;
};

// An interrupt line to the guest. Any thread, never blocks.
class IrqLine {
 public:
  virtual ~IrqLine() = default;
  virtual void raise() = 0;
};

// Addresses to devices, for one address space (ports or memory). Filled before the first vCPU runs and constant
// afterwards.
class Bus {
 public:
  // `device` must outlive the bus. Fails (kInternal) where ranges overlap.
  Result<void> add(uint64_t base, uint64_t size, BusDevice& device);
  // An access that no device answers, or that straddles a device's end, reads all ones and writes nothing; false then.
  bool read(uint64_t address, std::span<std::byte> data) const;
  bool write(uint64_t address, std::span<const std::byte> data) const;

 private:
  struct Entry {
    uint64_t base;
    uint64_t size;
    BusDevice* device;
  };
  const Entry* find(uint64_t address, size_t size) const;
  std::vector<Entry> entries_;  // Sorted by base.
};

}  // namespace cloche
