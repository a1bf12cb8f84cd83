// Apart from event_log.cc: only what reads events needs the JSON library.
#include <time.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "sandbox/event_log.h"

namespace cloche::sandbox {
namespace {

// "2026-11-25T09:08:07.123456789Z"; 0 where it is none.
uint64_t parse_time(const std::string& text) {
  tm parts{};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr || *rest != '.') return 0;
  uint64_t fraction = 0;
  auto [end, error] = std::from_chars(rest + 1, text.data() + text.size(), fraction);
  if (error != std::errc() || end != rest + 10) return 0;
  return static_cast<uint64_t>(::timegm(&parts)) * 1'000'000'000 + fraction;
}

}  // namespace

Result<Event> decode_event(std::string_view line) try {
  // Within a text its quotes would be escaped.
  if (size_t last = line.rfind("{\"time\": \""); last != std::string_view::npos) line.remove_prefix(last);
  nlohmann::json json = nlohmann::json::parse(line);
  Event event;
  event.time_ns = parse_time(json.at("time"));
  if (event.time_ns == 0) return fail(ErrorCode::kProtocol, "an event without a time");
  event.id = json.at("id");
  event.name = json.at("name");
  event.kind = json.at("event");
  for (const auto& [name, value] : json.at("details").items()) event.details[name] = value;
  return event;
} catch (const nlohmann::json::exception& error) {
  return fail(ErrorCode::kProtocol, std::string("a damaged event: ") + error.what());
}

}  // namespace cloche::sandbox
