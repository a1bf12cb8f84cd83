// vm_provider INSTALLATION MODE: a Provider that does what its standard input says, a JSON object a line, and answers
// with one each: {"op": "exec", "agent", "command", "arguments", "input", "environment", "workdir", "timeout_ms",
// "limit"}, "health", "stats", "destroy". MODE: shared, kept, per-agent or one-shot.
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cloche/provider.h"

namespace cloche {
namespace {

using nlohmann::json;

json error_json(const Error& error) { return {{"error", error.message()}, {"code", static_cast<int>(error.code)}}; }

json exec(Provider& provider, const json& asked) {
  ProviderExec exec{.command = asked.at("command"),
                    .arguments = asked.value("arguments", std::vector<std::string>{}),
                    .environment = asked.value("environment", std::vector<std::string>{}),
                    .input = asked.value("input", "")};
  if (asked.contains("workdir")) exec.working_directory = asked["workdir"];
  if (asked.contains("timeout_ms")) exec.timeout = std::chrono::milliseconds(asked["timeout_ms"]);
  if (asked.contains("limit")) exec.output_limit = asked["limit"];
  auto result = provider.exec(asked.value("agent", ""), exec);
  if (!result) return error_json(result.error());
  return {{"exit_code", result->exit_code},   {"signal", result->signal.value_or(0)},
          {"output", result->output},         {"error_output", result->error_output},
          {"output_cut", result->output_cut}, {"error_output_cut", result->error_output_cut},
          {"timed_out", result->timed_out},   {"duration_ms", result->duration.count()}};
}

json obey(Provider& provider, const json& asked) {
  std::string word = asked.at("op"), agent = asked.value("agent", "");
  if (word == "exec") return exec(provider, asked);
  if (word == "stats") {
    auto stats = provider.stats(agent);
    if (!stats) return error_json(stats.error());
    return {{"sandbox", stats->sandbox},          {"status", name_of(stats->status)},
            {"uptime_ms", stats->uptime.count()}, {"memory_bytes", stats->memory_bytes},
            {"cpu_ms", stats->cpu_time.count()},  {"execs", stats->execs}};
  }
  Result<void> done = word == "health" ? provider.health(agent, std::chrono::seconds(20)) : provider.destroy(agent);
  return done ? json::object() : error_json(done.error());
}

void say(const json& answer) { std::cout << answer.dump(-1, ' ', true, json::error_handler_t::replace) << std::endl; }

}  // namespace
}  // namespace cloche

int main(int argc, char** argv) {
  using namespace cloche;
  if (argc < 3) return 2;
  std::string mode = argv[2];
  ProviderConfig config{.mode = mode == "per-agent"  ? ProviderMode::kPerAgent
                                : mode == "one-shot" ? ProviderMode::kOneShot
                                                     : ProviderMode::kShared,
                        .max_agents = 2};
  config.pool.name = "test";
  config.pool.max = 2;
  config.pool.sandbox.vm.installation = argv[1];
  config.pool.sandbox.vm.memory_mib = 128;
  if (mode == "kept") config.pool.between_users = BetweenUsers::kKeep;
  auto provider = Provider::create(std::move(config));
  if (!provider) {
    say(error_json(provider.error()));
    return 1;
  }
  say(json::object());
  for (std::string line; std::getline(std::cin, line);) say(obey(*provider, json::parse(line)));
  return 0;
}
