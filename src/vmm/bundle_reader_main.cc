// cloche-bundle-reader LIBRARY: writes the kernel that a libkrunfw library holds to standard output (wire/bundle.h).
//
// A program of its own because it runs somebody's shared library and because the VMM is linked statically.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <span>

#include "base/fd.h"
#include "wire/bundle.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: cloche-bundle-reader LIBRARY\n");
    return 2;
  }
  void* library = ::dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::fprintf(stderr, "cloche: %s\n", ::dlerror());
    return 1;
  }
  // char* krunfw_get_kernel(uint64_t* load, uint64_t* entry, size_t* size): facts/libkrun-abi.
  using GetKernel = char* (*)(uint64_t*, uint64_t*, size_t*);
  auto get_kernel = reinterpret_cast<GetKernel>(::dlsym(library, "krunfw_get_kernel"));
  if (get_kernel == nullptr) return 1;
  cloche::wire::BundleHeader header;
  size_t size = 0;
  const char* image = get_kernel(&header.load, &header.entry, &size);
  if (image == nullptr || size == 0) return 1;
  auto written = cloche::write_full(STDOUT_FILENO, std::as_bytes(std::span(&header, 1)));
  if (written) written = cloche::write_full(STDOUT_FILENO, std::as_bytes(std::span(image, size)));
  return written ? 0 : 1;
}
