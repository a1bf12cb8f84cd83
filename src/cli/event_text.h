// Events as people and programs want to see them, and which of them.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "cloche/events.h"

namespace cloche::cli {

class EventFilter {
 public:
  // "KEY=VALUE": id (or its beginning), name, event, or what stands in an event's details. The values of one key are
  // alternatives, and every key has to be met.
  Result<void> add(const std::string& text);
  bool matches(const Event& event) const;

 private:
  std::map<std::string, std::set<std::string>> wanted_;
};

// "2026-11-25T09:08:07.123456789Z box (0123456789ab) exited exit_code=3"
std::string event_line(const Event& event);
nlohmann::json event_json(const Event& event);

}  // namespace cloche::cli
