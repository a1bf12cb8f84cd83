// Apart from state.cc: only what reads a state needs the JSON library.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "sandbox/state.h"

namespace cloche::sandbox {
namespace {

bool status_from(const std::string& name, Status& status) {
  for (uint8_t value = 0; value <= static_cast<uint8_t>(Status::kFailed); ++value) {
    status = static_cast<Status>(value);
    if (name_of(status) == name) return true;
  }
  return false;
}

bool health_from(const std::string& name, HealthStatus& health) {
  for (uint8_t value = 0; value <= static_cast<uint8_t>(HealthStatus::kUnhealthy); ++value) {
    health = static_cast<HealthStatus>(value);
    if (name_of(health) == name) return true;
  }
  return false;
}

}  // namespace

Result<State> decode_state(const std::string& text) try {
  nlohmann::json json = nlohmann::json::parse(text);
  int version = json.at("version");
  if (version != State::kVersion)
    return fail(ErrorCode::kProtocol, "a state of version " + std::to_string(version) + ", of another cloche");
  State state;
  if (!status_from(json.at("status"), state.status)) return fail(ErrorCode::kProtocol, "a state of no known status");
  state.pid = json.at("pid");
  state.started_ns = json.at("started_ns");
  state.ready_ns = json.at("ready_ns");
  state.finished_ns = json.at("finished_ns");
  state.exit_code = json.at("exit_code");
  state.signal = json.at("signal");
  state.reason = json.at("reason");
  state.console_tail = json.at("console_tail");
  state.restarts = json.at("restarts");
  if (!health_from(json.at("health"), state.health)) return fail(ErrorCode::kProtocol, "a state of no known health");
  state.health_failures = json.at("health_failures");
  state.health_output = json.at("health_output");
  return state;
} catch (const nlohmann::json::exception& error) {
  return fail(ErrorCode::kProtocol, std::string("a damaged state: ") + error.what());
}

}  // namespace cloche::sandbox
