// Kernels that come as a shared library with the exports of libkrunfw.
//
// The library is somebody's code: it is opened in a process of its own (cloche-bundle-reader), never in the VMM.
#pragma once

#include <string>

#include "boot/kernel_image.h"

namespace cloche {

// Whether the file at `path` is such a library by its magic numbers. Errors as boot::recognize().
Result<bool> is_krun_bundle(const std::string& path);

// Runs `reader_path` on the library and loads what its krunfw_get_kernel() holds.
Result<boot::LoadedKernel> load_krun_bundle(const std::string& reader_path, const std::string& path,
                                            const GuestMemory& memory);
// Loads what somebody has taken out of such a library already (wire/bundle.h).
Result<boot::LoadedKernel> load_bundle_image(const std::string& path, const GuestMemory& memory);

}  // namespace cloche
