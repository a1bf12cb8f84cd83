// One thing in a tar stream, however the stream spells it.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cloche::tar {

inline constexpr size_t kBlockBytes = 512;
inline constexpr size_t kMostPathBytes = 4096;         // No system call of Linux takes a longer one.
inline constexpr size_t kMostSegments = 1 << 20;       // Of a sparse file: 16 MiB of memory.
inline constexpr size_t kMostExtendedBytes = 1 << 20;  // Of one extended header; those of real files take a few KiB.

enum class Type : char {
  kFile = '0',
  kHardLink = '1',
  kSymbolicLink = '2',
  kCharacterDevice = '3',
  kBlockDevice = '4',
  kDirectory = '5',
  kFifo = '6',
};

// A part of a file that is no hole.
struct Segment {
  uint64_t offset = 0, size = 0;
};

struct Entry {
  Type type = Type::kFile;
  std::string path;
  std::string target{};  // Of a link. A hard link's is the path of an earlier entry.
  uint32_t mode = 0;     // Permissions alone, 07777.
  uint32_t uid = 0, gid = 0;
  timespec modified{};
  uint64_t size = 0;  // Of a file, holes and all.
  dev_t device = 0;   // Of a device node.
  // Of a file with holes: ascending, each but the last a multiple of kBlockBytes. One of size 0 at the end stands for
  // a hole there, as GNU tar wants it.
  std::optional<std::vector<Segment>> segments = std::nullopt;
};

}  // namespace cloche::tar
