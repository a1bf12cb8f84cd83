// A path of the host that a Config names, and what is there.
#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace cloche {

// Each share and each disk is a device, and each device takes 37 of the 2048 characters that a kernel command line has.
inline constexpr size_t kMaxDevices = 40;

struct Place {
  std::string path;  // Absolute, without links.
  struct stat status{};
};

// Errors name `field` and the path as it was given.
Result<Place> find_place(std::string_view field, const std::string& path);

// Whether we can list and enter a directory, or read a file; the VM's process runs as the same user.
Result<void> check_readable(std::string_view field, const Place& place);

}  // namespace cloche
