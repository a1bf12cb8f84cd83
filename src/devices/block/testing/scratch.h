// A folder of a test's own for images, and bytes to put into them.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <string>

#include "devices/block/disk.h"

namespace cloche::block {

class Scratch {
 public:
  // In memory, or where there may be a file system that knows direct I/O.
  enum class Where { kMemory, kDisk };
  explicit Scratch(Where where = Where::kMemory) {
    std::error_code none;
    bool memory = where == Where::kMemory && std::filesystem::is_directory("/dev/shm", none);
    std::string name = (memory ? "/dev/shm" : std::filesystem::temp_directory_path().string()) + "/cloche-block-XXXXXX";
    directory_ = ::mkdtemp(name.data());
  }
  ~Scratch() { std::filesystem::remove_all(directory_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  // A file of `size` zeros.
  std::string make(const std::string& name, uint64_t size) const {
    std::ofstream(path(name)).close();
    std::filesystem::resize_file(path(name), size);
    return path(name);
  }
  std::string write(const std::string& name, std::string_view text) const {
    std::ofstream(path(name), std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
    return path(name);
  }
  std::string read(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // Keeps bytes until the end of the test.
  std::vector<std::byte>& keep(std::vector<std::byte> bytes) { return kept_.emplace_back(std::move(bytes)); }

 private:
  std::string directory_;
  std::deque<std::vector<std::byte>> kept_;
};

// Bytes that differ by place and seed.
inline std::vector<std::byte> pattern(size_t size, unsigned seed) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>((i * 31 + i / 509 + seed * 77) % 251 + 1);
  return bytes;
}

inline std::vector<std::byte> read_at(Disk& disk, uint64_t offset, size_t size) {
  std::vector<std::byte> bytes(size, std::byte{0xee});
  auto read = disk.read(offset, Pieces(bytes));
  EXPECT_TRUE(read) << read.error().message();
  return bytes;
}

inline void write_at(Disk& disk, uint64_t offset, std::vector<std::byte> bytes) {
  auto written = disk.write(offset, Pieces(bytes));
  EXPECT_TRUE(written) << written.error().message();
}

}  // namespace cloche::block
