// libkrunfw.so.5 with the guest kernel of cloche: for programs that look for a kernel there. Its interface is
// libkrunfw's: a page-aligned image, where it lies in memory, and where it is entered.
#include <cstddef>

#include "kernel_place.h"

extern "C" {

extern const char cloche_kernel_begin[], cloche_kernel_end[];  // image.S

[[gnu::visibility("default")]] const char* krunfw_get_kernel(size_t* load_addr, size_t* entry_addr, size_t* size) {
  *load_addr = kLoad;
  *entry_addr = kEntry;
  *size = static_cast<size_t>(cloche_kernel_end - cloche_kernel_begin);
  return cloche_kernel_begin;
}

[[gnu::visibility("default")]] int krunfw_get_version(void) { return 5; }

}  // extern "C"
