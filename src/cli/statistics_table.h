// What sandboxes and the processes in them use, as people and programs want to see it.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cloche/statistics.h"

namespace cloche::cli {

// "512B", "1.5KiB", "12.3MiB".
std::string bytes_text(uint64_t bytes);
// "1:02.50": minutes, seconds, hundredths.
std::string cpu_time_text(uint64_t ns);

// Rows of as many cells each, the first one the heading; columns as wide as they have to be.
std::string columns(std::span<const std::vector<std::string>> rows);

// One sandbox, looked at twice: loads are of the time between.
struct Usage {
  std::string id{}, name{};
  SandboxStatistics before{}, now{};
};
std::string usage_table(std::span<const Usage> usages);
// What `--json` and --format show of one: names that stay.
nlohmann::json usage_json(const Usage& usage);

std::string process_table(std::span<const GuestProcess> processes);
nlohmann::json process_json(const GuestProcess& process);

}  // namespace cloche::cli
