// A kernel taken out of a libkrunfw library, as cloche-bundle-reader writes it to its standard output: this header,
// then the kernel image.
#pragma once

#include <cstdint>

namespace cloche::wire {

struct BundleHeader {  // Host byte order: reader and VMM run on one machine.
  uint64_t load = 0;   // Guest physical address of the image's first byte.
  uint64_t entry = 0;  // Guest physical address of its 64-bit entry point.
};

}  // namespace cloche::wire
