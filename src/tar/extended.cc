#include "tar/extended.h"

#include <fmt/format.h>

#include <charconv>

namespace cloche::tar {
namespace {

constexpr long kSecond = 1'000'000'000;
constexpr size_t kFractionDigits = 9;

bool set(std::optional<std::string>& field, std::string_view value) {
  field.reset();
  if (!value.empty()) field = value;
  return true;
}

bool set(std::optional<uint64_t>& field, std::string_view value) {
  field = parse_decimal(value);
  return field || value.empty();
}

bool set(std::optional<timespec>& field, std::string_view value) {
  field = parse_time(value);
  return field || value.empty();
}

// Whether `value` can be one of `key`.
bool take(std::string_view key, std::string_view value, Extended& extended) {
  if (key == "path") return set(extended.path, value);
  if (key == "linkpath") return set(extended.target, value);
  if (key == "size") return set(extended.size, value);
  if (key == "uid") return set(extended.uid, value);
  if (key == "gid") return set(extended.gid, value);
  if (key == "mtime") return set(extended.modified, value);
  if (key == "GNU.sparse.name") return set(extended.sparse_path, value);
  if (key == "GNU.sparse.realsize") return set(extended.sparse_size, value);
  if (key == "GNU.sparse.major") return set(extended.sparse_major, value);
  if (key == "GNU.sparse.minor") return set(extended.sparse_minor, value);
  // Those of versions 0.0 and 0.1: passed over, they would make a wrong file.
  return !key.starts_with("GNU.sparse.");
}

}  // namespace

Result<void> parse_records(std::string_view records, Extended& extended) {
  while (!records.empty()) {
    size_t blank = records.find(' ');
    auto size = parse_decimal(records.substr(0, blank));
    // The shortest thinkable after the blank: "k=\n".
    if (blank == records.npos || !size || *size > records.size() || *size < blank + 4 || records[*size - 1] != '\n')
      return fail(ErrorCode::kInvalidArgument, "a damaged extended header");
    std::string_view record = records.substr(blank + 1, *size - blank - 2);
    size_t equals = record.find('=');
    if (equals == record.npos) return fail(ErrorCode::kInvalidArgument, "a damaged extended header");
    std::string_view key = record.substr(0, equals);
    if (!take(key, record.substr(equals + 1), extended))
      return fail(ErrorCode::kInvalidArgument, fmt::format("an extended header with a {} that is not understood", key));
    records.remove_prefix(*size);
  }
  return {};
}

void append_record(std::string& records, std::string_view key, std::string_view value) {
  size_t rest = key.size() + value.size() + 3;  // A blank, "=" and the newline.
  size_t size = rest;
  // The size counts its own digits, of which one more may be needed for just that.
  while (size != rest + std::to_string(size).size()) size = rest + std::to_string(size).size();
  records += fmt::format("{} {}={}\n", size, key, value);
}

std::optional<uint64_t> parse_decimal(std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<timespec> parse_time(std::string_view text) {
  bool is_negative = text.starts_with('-');
  if (is_negative) text.remove_prefix(1);
  size_t dot = text.find('.');
  auto seconds = parse_decimal(text.substr(0, dot));
  if (!seconds || *seconds > INT64_MAX) return std::nullopt;
  timespec time{static_cast<time_t>(*seconds), 0};
  if (dot != text.npos && dot + 1 < text.size()) {
    std::string digits(text.substr(dot + 1));
    if (digits.find_first_not_of("0123456789") != digits.npos) return std::nullopt;
    digits.resize(kFractionDigits, '0');
    time.tv_nsec = static_cast<long>(*parse_decimal(digits));
  }
  if (!is_negative) return time;
  if (time.tv_nsec == 0) return timespec{-time.tv_sec, 0};
  return timespec{-time.tv_sec - 1, kSecond - time.tv_nsec};
}

std::string time_text(timespec time) {
  if (time.tv_sec >= 0) return fmt::format("{}.{:09}", time.tv_sec, time.tv_nsec);
  if (time.tv_nsec == 0) return fmt::format("{}", time.tv_sec);
  return fmt::format("-{}.{:09}", -(time.tv_sec + 1), kSecond - time.tv_nsec);
}

}  // namespace cloche::tar
