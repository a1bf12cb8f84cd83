#include "cli/moment.h"

#include <fmt/format.h>
#include <time.h>

#include "cli/sandbox_table.h"
#include "cli/values.h"

namespace cloche::cli {

Result<uint64_t> parse_moment(const std::string& text) {
  if (auto ago = parse_duration(text)) return realtime_ns() - static_cast<uint64_t>(ago->count()) * 1'000'000;
  tm parts{};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) rest = ::strptime(text.c_str(), "%Y-%m-%d", &parts);
  if (rest == nullptr || (*rest != '\0' && *rest != 'Z' && *rest != '.'))
    return fail(ErrorCode::kInvalidArgument, "'" + text + "' is neither a time ago, as 10m, nor 2026-11-25T09:08:07Z");
  return static_cast<uint64_t>(::timegm(&parts)) * 1'000'000'000;
}

std::string moment_text(uint64_t ns) {
  auto seconds = static_cast<time_t>(ns / 1'000'000'000);
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, ns % 1'000'000'000);
}

}  // namespace cloche::cli
