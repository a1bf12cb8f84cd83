// Apart from event_log.cc: only what reads events needs the JSON library.
#include <nlohmann/json.hpp>

#include "sandbox/event_log.h"
#include "sandbox/utc_time.h"

namespace cloche::sandbox {

Result<Event> decode_event(std::string_view line) try {
  // Within a text its quotes would be escaped.
  if (size_t last = line.rfind("{\"time\": \""); last != std::string_view::npos) line.remove_prefix(last);
  nlohmann::json json = nlohmann::json::parse(line);
  Event event;
  event.time_ns = parse_utc(json.at("time"));
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
