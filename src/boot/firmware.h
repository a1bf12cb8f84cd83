// Flat firmware: an image that ends at 4 GiB, where the CPU begins after a reset (Intel SDM volume 3, 9.1.4), with its
// last part below 1 MiB as well, where real mode reaches it.
#pragma once

#include <string>

#include "base/mmap.h"
#include "memory/guest_memory.h"

namespace cloche::boot {

struct Firmware {
  Mmap image;  // Whole pages.
  GuestAddr start;
  MemoryRegion region() const { return {start, image.bytes()}; }
};

// Errors name the file and what is wrong with it.
Result<Firmware> load_firmware(const std::string& path, const GuestMemory& memory);

}  // namespace cloche::boot
