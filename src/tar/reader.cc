#include "tar/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace cloche::tar {
namespace {

std::unexpected<Error> wrong(std::string what) { return fail(ErrorCode::kInvalidArgument, std::move(what)); }

uint64_t blocks_of(uint64_t bytes) { return bytes / kBlockBytes + (bytes % kBlockBytes != 0); }

}  // namespace

Result<void> Reader::write(std::span<const std::byte> bytes) {
  while (!bytes.empty() && state_ != State::kEnded) {
    size_t size = std::min(bytes.size(), kBlockBytes - filled_);
    if (filled_ == 0 && size == kBlockBytes) {  // Whole blocks are not copied.
      if (state_ == State::kData) size = std::min<uint64_t>(bytes.size() / kBlockBytes, blocks_of(left_)) * kBlockBytes;
      TRY(take(bytes.first(size)));
    } else {
      std::ranges::copy(bytes.first(size), block_.begin() + static_cast<ptrdiff_t>(filled_));
      filled_ = (filled_ + size) % kBlockBytes;
      if (filled_ == 0) TRY(take(block_));
    }
    bytes = bytes.subspan(size);
  }
  return {};
}

Result<void> Reader::finish() const {
  if (state_ == State::kEnded) return {};
  bool is_within = state_ == State::kMap || state_ == State::kData;
  return wrong(is_within ? "the stream ends in the midst of " + entry_.path : "the stream ends before its end");
}

Result<void> Reader::take(std::span<const std::byte> blocks) {
  switch (state_) {
    case State::kHeader:
      return take_header(blocks);
    case State::kText:
      return take_text(blocks);
    case State::kMap:
      return take_map(blocks);
    case State::kData:
      return take_data(blocks);
    case State::kEnded:
      break;
  }
  return {};
}

Result<void> Reader::take_header(std::span<const std::byte> block) {
  if (std::ranges::all_of(block, [](std::byte each) { return each == std::byte{0}; })) {
    if (extended_) return wrong("an extended header without an entry");
    if (++zero_blocks_ == 2) state_ = State::kEnded;
    return {};
  }
  if (zero_blocks_ != 0) return wrong("a lone block of zeros");
  Header header;
  std::memcpy(&header, block.data(), sizeof header);
  TRY(check_header(header));
  if (std::string_view("xgLK").contains(header.type)) return begin_text(header);
  return begin_entry(header);
}

// Extended headers, and GNU's names that are too long for a header.
Result<void> Reader::begin_text(const Header& header) {
  bool is_name = header.type == 'L' || header.type == 'K';
  auto size = parse_number(header.size);
  if (!size || *size < 0 || static_cast<uint64_t>(*size) > (is_name ? kMostPathBytes + 1 : kMostExtendedBytes))
    return wrong(is_name ? "a name that is too long" : "an extended header that is too large");
  text_type_ = header.type;
  text_.clear();
  left_ = static_cast<uint64_t>(*size);
  if (left_ == 0) return end_text();
  state_ = State::kText;
  return {};
}

Result<void> Reader::take_text(std::span<const std::byte> block) {
  size_t size = std::min<uint64_t>(left_, block.size());
  text_.append(reinterpret_cast<const char*>(block.data()), size);
  left_ -= size;
  return left_ == 0 ? end_text() : Result<void>();
}

Result<void> Reader::end_text() {
  state_ = State::kHeader;
  if (text_type_ == 'g') return parse_records(text_, global_);
  if (!extended_) extended_ = global_;
  if (text_type_ == 'x') return parse_records(text_, *extended_);
  if (text_.ends_with('\0')) text_.pop_back();
  (text_type_ == 'L' ? extended_->path : extended_->target) = text_;
  return {};
}

Result<void> Reader::begin_entry(const Header& header) {
  Extended extended = extended_ ? *std::exchange(extended_, std::nullopt) : global_;
  auto decoded = decode(header, extended);
  if (!decoded) {
    std::string name(header.name, ::strnlen(header.name, sizeof header.name));
    return std::unexpected(std::move(decoded).error().in("the entry " + extended.path.value_or(name)));
  }
  entry_ = std::move(decoded->entry);
  left_ = decoded->stored;
  map_ = {};
  segments_ = {{0, left_}};
  if (!decoded->is_sparse) return begin_data();
  state_ = State::kMap;
  return {};
}

Result<void> Reader::take_map(std::span<const std::byte> block) {
  auto refused = [this](Error error) { return std::unexpected(std::move(error).in("the entry " + entry_.path)); };
  if (left_ < kBlockBytes) return refused(wrong("a sparse file without its map").error());
  left_ -= kBlockBytes;
  auto is_whole = map_.take(block);
  if (!is_whole) return refused(is_whole.error());
  if (!*is_whole) return {};
  auto segments = std::move(map_).segments(entry_.size, left_);
  if (!segments) return refused(segments.error());
  segments_ = *std::move(segments);
  return begin_data();
}

Result<void> Reader::begin_data() {
  state_ = State::kData;
  segment_ = 0;
  TRY(handler_.begin(entry_));
  return left_ == 0 ? end_entry() : Result<void>();
}

Result<void> Reader::take_data(std::span<const std::byte> blocks) {
  auto rest = blocks.first(std::min<uint64_t>(blocks.size(), left_));
  left_ -= rest.size();
  while (!rest.empty()) {
    Segment& segment = segments_[segment_];
    size_t size = std::min<uint64_t>(rest.size(), segment.size);
    if (size > 0) TRY(handler_.data(segment.offset, rest.first(size)));
    rest = rest.subspan(size);
    segment.offset += size;
    segment.size -= size;
    if (segment.size == 0) ++segment_;
  }
  return left_ == 0 ? end_entry() : Result<void>();
}

Result<void> Reader::end_entry() {
  state_ = State::kHeader;
  return handler_.end();
}

}  // namespace cloche::tar
