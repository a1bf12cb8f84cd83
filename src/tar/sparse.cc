#include "tar/sparse.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace cloche::tar {
namespace {

std::unexpected<Error> wrong() { return fail(ErrorCode::kInvalidArgument, "a sparse file with a damaged map"); }

// Holes count in whole blocks, which is how GNU tar reads and writes them.
uint64_t block_down(uint64_t offset) { return offset / kBlockBytes * kBlockBytes; }
uint64_t block_up(uint64_t offset) { return block_down(offset + kBlockBytes - 1); }

uint64_t end_of(const Segment& segment) { return segment.offset + segment.size; }

void add(std::vector<Segment>& segments, uint64_t begin, uint64_t end) {
  if (segments.empty() || begin > end_of(segments.back()))
    segments.push_back({begin, end - begin});
  else
    segments.back().size = end - segments.back().offset;
}

}  // namespace

std::optional<std::vector<Segment>> find_segments(int fd, uint64_t size) {
  std::vector<Segment> segments;
  for (uint64_t at = 0; at < size;) {
    off_t begin = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
    if (begin < 0 && errno == ENXIO) break;  // A hole to the end.
    off_t end = begin < 0 ? -1 : ::lseek(fd, begin, SEEK_HOLE);
    if (end < 0) return std::nullopt;
    if (static_cast<uint64_t>(begin) >= size) break;  // It grew.
    at = std::min(static_cast<uint64_t>(end), size);
    // One stays for a hole at the end; holes beyond that count are stored as zeros.
    if (segments.size() == kMostSegments - 2) at = size;
    add(segments, block_down(static_cast<uint64_t>(begin)), std::min(block_up(at), size));
  }
  bool ends_with_hole = segments.empty() || end_of(segments.back()) < size;
  if (size == 0 || (!ends_with_hole && segments.size() == 1 && segments[0].offset == 0)) return std::nullopt;
  if (ends_with_hole) segments.push_back({size, 0});
  return segments;
}

std::string map_text(const std::vector<Segment>& segments) {
  std::string text = fmt::format("{}\n", segments.size());
  for (const Segment& segment : segments)
    fmt::format_to(std::back_inserter(text), "{}\n{}\n", segment.offset, segment.size);
  return text;
}

Result<bool> MapReader::take(std::span<const std::byte> block) {
  for (std::byte each : block) {
    auto letter = static_cast<char>(each);
    if (letter == '\n') {
      TRY(take_number());
      if (segments_.size() == count_) return true;
      continue;
    }
    if (letter < '0' || letter > '9') return wrong();
    uint64_t so_far = number_.value_or(0);
    if (so_far > INT64_MAX / 10 - 1) return wrong();  // With the digit at most INT64_MAX, as sizes are.
    number_ = so_far * 10 + static_cast<uint64_t>(letter - '0');
  }
  return false;
}

Result<void> MapReader::take_number() {
  if (!number_) return wrong();
  uint64_t number = *std::exchange(number_, std::nullopt);
  if (!count_) {
    if (number > kMostSegments)
      return fail(ErrorCode::kInvalidArgument, fmt::format("a sparse file of more than {} segments", kMostSegments));
    count_ = number;
  } else if (!offset_) {
    offset_ = number;
  } else {
    segments_.push_back({*std::exchange(offset_, std::nullopt), number});
  }
  return {};
}

Result<std::vector<Segment>> MapReader::segments(uint64_t size, uint64_t stored) && {
  uint64_t end = 0, sum = 0;
  bool is_last = false;
  for (const Segment& segment : segments_) {
    if (segment.offset < end || segment.offset > size || segment.size > size - segment.offset) return wrong();
    // Where it were not, GNU tar would pad here and others would not.
    if (is_last && segment.size > 0) return wrong();
    is_last = is_last || segment.size % kBlockBytes != 0;
    end = end_of(segment);
    sum += segment.size;  // Not more than `size`, as they do not overlap.
  }
  if (sum != stored) return wrong();
  return std::move(segments_);
}

}  // namespace cloche::tar
