// The guest's first root file system: a small uncompressed cpio archive ("newc") that is made in memory.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace cloche::boot {

class Initramfs {
 public:
  // Paths are relative to the root, without a leading slash; parents come first.
  void add_directory(std::string_view path, unsigned mode = 0755);
  void add_file(std::string_view path, std::span<const std::byte> contents, unsigned mode);
  void add_device(std::string_view path, unsigned mode, unsigned major, unsigned minor);  // A character device.
  // The archive with its trailer; the builder is empty afterwards.
  std::vector<std::byte> finish();

 private:
  struct Entry {
    unsigned mode = 0;
    unsigned links = 1;
    unsigned major = 0, minor = 0;
  };
  void add(std::string_view path, const Entry& entry, std::span<const std::byte> contents);
  void pad();
  std::vector<std::byte> bytes_;
  unsigned next_inode_ = 1;
};

}  // namespace cloche::boot
