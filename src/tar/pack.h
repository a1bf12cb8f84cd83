// A tree of files as a tar stream in POSIX's pax format.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/result.h"

namespace cloche::tar {

inline constexpr size_t kMostPieceBytes = 64 << 10;
// Levels of directories in one tree. Each level holds a descriptor while it is read, of which a process often has 1024.
inline constexpr size_t kMostDepth = 256;

// Takes the stream piece by piece, in order, each at most kMostPieceBytes; waits as long as it must.
using Sink = std::function<Result<void>(std::span<const std::byte>)>;

enum class Mounts { kCrossed, kLeftOut };  // kLeftOut: where a file system is mounted there is an empty directory.

struct Packed {
  uint64_t sockets = 0;  // Left out.
  uint64_t changed = 0;  // Files that shrank and were filled up with zeros, or became something else and were left out.
  std::string first_changed;
};

// Packs what `name` is in the directory `directory`: one component, or "." for the directory itself, whose entries are
// then "./...". Symbolic links are packed, never followed. Hard links within the tree, holes, owners, times in ns and
// any bytes in names are kept. What is removed meanwhile is left out.
Result<Packed> pack(int directory, const std::string& name, const Sink& sink, Mounts mounts = Mounts::kCrossed);

}  // namespace cloche::tar
