// Opens the image of a disk, in whatever format it is.
#pragma once

#include <memory>
#include <string>

#include "devices/block/host_file.h"

namespace cloche::block {

// Said by the caller, never guessed from what is in the file: a guest writes that.
enum class Format : uint8_t { kRaw, kQcow2, kVmdk };

struct ImageOptions {
  std::string path;
  Format format = Format::kRaw;
  HostFileOptions file{};
  std::string backing_path{};  // For kQcow2; empty: none.
  Format backing_format = Format::kRaw;
};

Result<std::unique_ptr<Disk>> open_image(const ImageOptions& options);

}  // namespace cloche::block
