// SMBIOS: what a guest is told of its machine, and strings of its owner's (DMTF DSP0134, version 3.2).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace cloche::x86_64 {

inline constexpr size_t kMostOemStrings = 255;             // Their count is one byte.
inline constexpr size_t kMostSmbiosBytes = 0xffff & ~0xf;  // What is left of the segment at kSmbios, in paragraphs.

// The entry point and the structures behind it, for kSmbios. kInvalidArgument where a string is empty, which would end
// the list, where there are too many or all together are too long.
Result<std::vector<std::byte>> make_smbios(std::span<const std::string> oem_strings);

}  // namespace cloche::x86_64
