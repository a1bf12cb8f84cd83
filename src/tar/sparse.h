// Files with holes, in GNU tar's version 1.0 (its manual, "Storing Sparse Files"): a map of what is no hole stands in
// front of the data, in decimal lines: how many segments, then offset and size of each.
#pragma once

#include <span>

#include "base/result.h"
#include "tar/entry.h"

namespace cloche::tar {

// Where `fd`, a file of `size` bytes, has data; none where it has no holes or its file system does not tell.
std::optional<std::vector<Segment>> find_segments(int fd, uint64_t size);

// The map as it stands in the stream, without the padding to whole blocks.
std::string map_text(const std::vector<Segment>& segments);

// Takes a map in, block by block.
class MapReader {
 public:
  // Whether that was the last block.
  Result<bool> take(std::span<const std::byte> block);
  // What was read, where that can be a file of `size` bytes of which `stored` are in the stream.
  Result<std::vector<Segment>> segments(uint64_t size, uint64_t stored) &&;

 private:
  Result<void> take_number();

  std::vector<Segment> segments_;
  std::optional<uint64_t> count_, offset_;
  std::optional<uint64_t> number_;  // The digits so far.
};

}  // namespace cloche::tar
