#include "cli/event_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/moment.h"

namespace cloche::cli {

Result<void> EventFilter::add(const std::string& text) {
  size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos)
    return fail(ErrorCode::kInvalidArgument, "'" + text + "' must be KEY=VALUE, as event=ready or name=box");
  wanted_[text.substr(0, equals)].insert(text.substr(equals + 1));
  return {};
}

bool EventFilter::matches(const Event& event) const {
  return std::ranges::all_of(wanted_, [&](const auto& each) {
    const auto& [key, values] = each;
    if (key == "name") return values.contains(event.name);
    if (key == "event") return values.contains(event.kind);
    if (key == "id")
      return std::ranges::any_of(values,
                                 [&](const std::string& id) { return !id.empty() && event.id.starts_with(id); });
    auto detail = event.details.find(key);
    return detail != event.details.end() && values.contains(detail->second);
  });
}

std::string event_line(const Event& event) {
  std::string line = fmt::format("{} {} ({}) {}", moment_text(event.time_ns), event.name, event.id, event.kind);
  for (const auto& [name, value] : event.details) line += fmt::format(" {}={}", name, value);
  return line;
}

nlohmann::json event_json(const Event& event) {
  return {{"time", moment_text(event.time_ns)},
          {"id", event.id},
          {"name", event.name},
          {"event", event.kind},
          {"details", event.details}};
}

}  // namespace cloche::cli
