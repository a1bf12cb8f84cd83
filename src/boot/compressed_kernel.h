// Kernels that lie compressed in a file: an ELF vmlinux with anything before and behind it, as in an Image or a
// bzImage.
//
// The file is the user's and may be anything: what comes out of it is bounded, and so are the places that are tried.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace cloche::boot {

enum class Compression : uint8_t { kBzip2, kGzip, kZstd };

// The first ELF file that is in the file at `path` compressed so, as a file in memory. kInvalidArgument where there is
// none.
Result<Fd> unpack_kernel(const std::string& path, Compression compression);

}  // namespace cloche::boot
