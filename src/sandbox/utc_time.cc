#include "sandbox/utc_time.h"

#include <fmt/format.h>
#include <time.h>

#include <charconv>

namespace cloche::sandbox {

std::string utc_text(uint64_t ns) {
  auto seconds = static_cast<time_t>(ns / 1'000'000'000);
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, ns % 1'000'000'000);
}

uint64_t parse_utc(const std::string& text) {
  tm parts{};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr || *rest != '.') return 0;
  uint64_t fraction = 0;
  auto [end, error] = std::from_chars(rest + 1, text.data() + text.size(), fraction);
  if (error != std::errc() || end != rest + 10) return 0;
  return static_cast<uint64_t>(::timegm(&parts)) * 1'000'000'000 + fraction;
}

}  // namespace cloche::sandbox
