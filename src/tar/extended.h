// Extended headers, what they say of the entry that follows: POSIX.1-2017, pax, "pax Extended Header".
#pragma once

#include <time.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace cloche::tar {

struct Extended {
  std::optional<std::string> path{}, target{};
  std::optional<uint64_t> size{}, uid{}, gid{};
  std::optional<timespec> modified{};
  // GNU tar's manual, "Storing Sparse Files", version 1.0.
  std::optional<std::string> sparse_path{};
  std::optional<uint64_t> sparse_size{}, sparse_major{}, sparse_minor{};
};

// Adds what the records say; unknown ones are passed over, as POSIX wants it, and an empty value takes one back.
Result<void> parse_records(std::string_view records, Extended& extended);
void append_record(std::string& records, std::string_view key, std::string_view value);

// Digits and nothing else.
std::optional<uint64_t> parse_decimal(std::string_view text);
// Seconds since 1970, with a sign and a fraction where they have one.
std::optional<timespec> parse_time(std::string_view text);
std::string time_text(timespec time);

}  // namespace cloche::tar
