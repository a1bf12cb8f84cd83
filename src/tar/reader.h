// Takes a tar stream apart: ustar, pax and GNU's long names and base-256 numbers, from bytes that may be anybody's.
#pragma once

#include <array>
#include <span>

#include "tar/header.h"
#include "tar/sparse.h"

namespace cloche::tar {

class Reader {
 public:
  // Told of each entry: begin, its data in order, end. An error ends the reading.
  class Handler {
   public:
    virtual Result<void> begin(const Entry& entry) = 0;
    virtual Result<void> data(uint64_t offset, std::span<const std::byte> bytes) = 0;
    virtual Result<void> end() = 0;

   protected:
    ~Handler() = default;
  };

  explicit Reader(Handler& handler) : handler_(handler) {}

  // The next bytes of the stream, as many as there are. What follows the end of the archive is passed over. Not to be
  // called again after an error: the handler's, or kInvalidArgument for what is no proper stream.
  Result<void> write(std::span<const std::byte> bytes);
  // An error where the stream has not come to its end.
  Result<void> finish() const;

 private:
  enum class State { kHeader, kText, kMap, kData, kEnded };

  Result<void> take(std::span<const std::byte> blocks);
  Result<void> take_header(std::span<const std::byte> block);
  Result<void> begin_text(const Header& header);
  Result<void> take_text(std::span<const std::byte> block);
  Result<void> end_text();
  Result<void> begin_entry(const Header& header);
  Result<void> take_map(std::span<const std::byte> block);
  Result<void> begin_data();
  Result<void> take_data(std::span<const std::byte> blocks);
  Result<void> end_entry();

  Handler& handler_;
  State state_ = State::kHeader;
  std::array<std::byte, kBlockBytes> block_{};  // One that comes in pieces.
  size_t filled_ = 0;
  unsigned zero_blocks_ = 0;
  uint64_t left_ = 0;  // Bytes of the text, the map and the data, or the data.

  char text_type_ = 0;
  std::string text_;  // At most kMostExtendedBytes.
  Extended global_;
  std::optional<Extended> extended_;  // For the next entry; with what is global.

  Entry entry_;
  MapReader map_;
  std::vector<Segment> segments_;  // What is still to come of the entry: `left_` bytes in all.
  size_t segment_ = 0;
};

}  // namespace cloche::tar
