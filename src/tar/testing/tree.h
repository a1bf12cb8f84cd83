// Trees of files to pack and unpack in tests, and what they look like.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "tar/pack.h"
#include "tar/sparse.h"
#include "tar/unpacker.h"

namespace cloche::tar::testing {

inline int run(const std::string& command) { return ::system(command.c_str()); }

// A directory of its own, gone at the end.
class Scratch {
 public:
  Scratch() {
    std::string name = ::testing::TempDir() + "/tar-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~Scratch() {
    if (::geteuid() != 0) run("chmod -R u+rwx " + folder_);  // Closed directories are open to root.
    std::filesystem::remove_all(folder_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::string& path() const { return folder_; }
  std::string at(const std::string& name) const { return folder_ + "/" + name; }
  void put(const std::string& name, const std::string& text) const {
    std::ofstream(at(name), std::ios::binary | std::ios::trunc) << text;
  }
  std::string got(const std::string& name) const {
    std::ifstream file(at(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  bool has(const std::string& name) const {
    struct stat status{};
    return ::lstat(at(name).c_str(), &status) == 0;
  }
  // A new directory in it.
  std::string make(const std::string& name) const {
    EXPECT_TRUE(std::filesystem::create_directories(at(name)));
    return at(name);
  }

 private:
  std::string folder_;
};

inline Fd open_folder(const std::string& path) { return open_file(path, O_PATH | O_DIRECTORY).value(); }

inline std::string pack_all(const std::string& folder, const std::string& name, Packed* told = nullptr) {
  std::string stream;
  auto packed = pack(open_folder(folder).get(), name, [&](std::span<const std::byte> piece) -> Result<void> {
    EXPECT_LE(piece.size(), kMostPieceBytes);
    stream.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return {};
  });
  EXPECT_TRUE(packed) << packed.error().message();
  if (told != nullptr && packed) *told = *packed;
  return stream;
}

// In pieces of `piece` bytes.
inline Result<void> unpack_all(const std::string& stream, const std::string& folder, const UnpackOptions& options = {},
                               size_t piece = 100'000) {
  Unpacker unpacker(open_folder(folder), options);
  auto rest = std::as_bytes(std::span(stream));
  while (!rest.empty()) {
    size_t size = std::min(piece, rest.size());
    TRY(unpacker.write(rest.first(size)));
    rest = rest.subspan(size);
  }
  return unpacker.finish();
}

enum class Detail { kAll, kWholeSeconds };  // kWholeSeconds: what the formats before pax keep.

// Of the data, without the holes: they may be large.
inline size_t hash_of(int fd, const std::vector<Segment>& segments) {
  size_t hash = 0;
  for (const Segment& segment : segments) {
    std::string text(segment.size, '\0');
    EXPECT_EQ(::pread(fd, text.data(), text.size(), static_cast<off_t>(segment.offset)), text.size());
    hash = hash * 31 + std::hash<std::string>()(text);
  }
  return hash;
}

// A line on each file beneath `folder`: all that a tar stream keeps.
inline std::map<std::string, std::string> describe(const std::string& folder, Detail detail = Detail::kAll) {
  std::map<std::string, std::string> lines;
  std::map<ino_t, std::string> first;
  std::map<std::string, std::filesystem::path> sorted;
  for (const auto& each : std::filesystem::recursive_directory_iterator(folder))
    sorted[each.path().native().substr(folder.size() + 1)] = each.path();
  for (const auto& [name, path] : sorted) {
    struct stat status{};
    EXPECT_EQ(::lstat(path.c_str(), &status), 0);
    long nanoseconds = detail == Detail::kAll ? status.st_mtim.tv_nsec : 0;
    std::string line = fmt::format("{:o} {}:{} {}.{:09}", status.st_mode, status.st_uid, status.st_gid,
                                   status.st_mtim.tv_sec, nanoseconds);
    if (!S_ISDIR(status.st_mode) && status.st_nlink > 1)
      line += " is " + first.try_emplace(status.st_ino, name).first->second;
    if (S_ISLNK(status.st_mode)) line += " -> " + std::filesystem::read_symlink(path).native();
    if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) line += fmt::format(" device {:#x}", status.st_rdev);
    if (S_ISREG(status.st_mode)) {
      Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
      auto size = static_cast<uint64_t>(status.st_size);
      auto segments = find_segments(file.get(), size);
      line +=
          fmt::format(" {} bytes {:x}", size, hash_of(file.get(), segments.value_or(std::vector<Segment>{{0, size}})));
      if (segments) line += " of " + map_text(*segments);
    }
    lines[name] = line;
  }
  return lines;
}

}  // namespace cloche::tar::testing
