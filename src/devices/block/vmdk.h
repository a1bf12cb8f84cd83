// Flat VMDK images: a text file that describes the disk, and beside it a second one with the contents, as they are.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "devices/block/host_file.h"

namespace cloche::block {

// What a description says.
struct VmdkExtent {
  std::string file;  // A name without a folder.
  uint64_t start = 0;
  uint64_t size = 0;  // In bytes.
  bool read_only = false;
};
Result<VmdkExtent> parse_vmdk(std::string_view text);

Result<std::unique_ptr<Disk>> open_vmdk(const std::string& path, HostFileOptions options);

}  // namespace cloche::block
