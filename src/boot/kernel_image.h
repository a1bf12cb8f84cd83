// Puts a kernel image into guest memory: an ELF vmlinux, a bzImage, or an image that a library (libkrunfw) holds in
// memory.
//
// The file is the user's and may be anything: every offset, size and address in it is checked before it is used.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "memory/guest_memory.h"

namespace cloche::boot {

enum class KernelFormat {
  kElf,         // vmlinux: program headers say what goes where
  kBzImage,     // Linux's own compressed image; it unpacks itself
  kKrunBundle,  // a shared library that exports krunfw_get_kernel()
};

// What is at the start of a kernel file, by its magic numbers. kInvalidArgument, saying what it seems to be instead.
Result<KernelFormat> recognize(const std::string& path, std::span<const std::byte> head);

struct LoadedKernel {
  GuestAddr entry;       // Where the 64-bit boot protocol enters (Documentation/x86/boot.rst, "64-bit boot protocol").
  GuestAddr first_free;  // Above everything the kernel occupies before it looks at its memory map; page-aligned.
  // From a bzImage: its setup header (boot_params.hdr), which the zero page must carry.
  std::optional<std::array<std::byte, 0x7b>> setup_header;
};

// How a file holds a kernel.
enum class FileFormat : uint8_t {
  kByContents,  // An ELF vmlinux or a bzImage: recognize() tells.
  kRaw,         // For kRawKernel, entered at its first byte.
  kBzip2,       // An ELF vmlinux, compressed, with anything before and behind it.
  kGzip,
  kZstd,
  kBundleImage,  // What a libkrunfw library holds, as wire/bundle.h has it.
};
inline constexpr GuestAddr kRawKernel{0x80000000};  // Where libkrun has them.

// Loads a kernel from a file. Errors name the file and what is wrong with it.
Result<LoadedKernel> load_kernel(const std::string& path, const GuestMemory& memory,
                                 FileFormat format = FileFormat::kByContents);
// Loads an image that is in memory already, at `load` with its entry at `entry`.
Result<LoadedKernel> load_raw_kernel(std::span<const std::byte> image, GuestAddr load, GuestAddr entry,
                                     const GuestMemory& memory);

}  // namespace cloche::boot
