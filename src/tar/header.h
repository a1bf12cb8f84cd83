// The header block of a tar stream: POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar's manual, "Basic Tar
// Format".
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tar/entry.h"
#include "tar/extended.h"

namespace cloche::tar {

struct Header {
  char name[100] = {};
  char mode[8] = {}, uid[8] = {}, gid[8] = {};
  char size[12] = {}, modified[12] = {};
  char checksum[8] = {};
  char type = 0;
  char target[100] = {};
  char magic[8] = {};  // With the version.
  char user[32] = {}, group[32] = {};
  char device_major[8] = {}, device_minor[8] = {};
  char prefix[155] = {};
  char unused[12] = {};
};
static_assert(sizeof(Header) == kBlockBytes);

// The sum of its bytes, with blanks for the field that holds it.
uint32_t checksum_of(const Header& header);

// A number as text in octal, or in base 256 where the first bit is set; none where it is neither or does not fit.
std::optional<int64_t> parse_number(std::span<const char> field);

// Of a header with the right checksum and a known magic. kInvalidArgument for all else.
Result<void> check_header(const Header& header);

struct Decoded {
  Entry entry;          // Without its segments; the size of a sparse file is that of the whole.
  uint64_t stored = 0;  // Bytes of data in the stream.
  bool is_sparse = false;
};
// The entry that a header and the extended headers before it describe. Errors (kInvalidArgument) do not name it.
Result<Decoded> decode(const Header& header, const Extended& extended);

// All that stands before the data of an entry: an extended header, the header, the map of a sparse file.
std::string encode(const Entry& entry);

}  // namespace cloche::tar
