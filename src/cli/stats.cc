// cloche stats: what sandboxes use.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "cli/arguments.h"
#include "cli/carry.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/run_flags.h"
#include "cli/sandbox_table.h"
#include "cli/say.h"
#include "cli/statistics_table.h"

namespace cloche::cli {
namespace {

constexpr useconds_t kBetweenUs = 1'000'000;
constexpr std::chrono::seconds kPatience{10};
constexpr const char* kHome = "\x1b[H\x1b[2J";   // The screen is cleared once,
constexpr const char* kTop = "\x1b[H";           // then written over,
constexpr const char* kRestOfLine = "\x1b[K";    // line by line,
constexpr const char* kRestOfScreen = "\x1b[J";  // and what is left of before goes.

struct StatsRequest {
  std::vector<std::string> names;
  std::string format, home;
  bool json = false;
  bool once = false;
};

using Looks = std::map<std::string, Usage>;  // By id.

struct Chosen {
  std::vector<Sandbox> sandboxes;
  int code = 0;  // That of the last name that could not be found.
};

// Those that are named, or all.
Result<Chosen> choose(const StatsRequest& request) {
  Chosen chosen;
  if (request.names.empty()) {
    auto all = list_sandboxes(request.home);
    if (!all) return std::unexpected(std::move(all).error());
    chosen.sandboxes = std::move(*all);
  }
  for (const std::string& name : request.names) {
    auto sandbox = Sandbox::open(name, request.home);
    if (sandbox)
      chosen.sandboxes.push_back(std::move(*sandbox));
    else
      chosen.code = complain(sandbox.error());
  }
  return chosen;
}

bool is_running(const SandboxInfo& info) {
  return info.status == SandboxStatus::kRunning || info.status == SandboxStatus::kPaused;
}

// Looks at one; empty where it does not run, which is an error of those that were named.
Result<std::optional<Usage>> look_at(const Sandbox& sandbox, bool is_named, const Looks& before) {
  auto info = sandbox.info();
  if (!info) return std::unexpected(std::move(info).error());
  if (!is_named && !is_running(*info)) return std::nullopt;
  auto now = read_statistics(sandbox, kPatience);
  if (!now) return std::unexpected(std::move(now).error());
  auto known = before.find(info->id);
  SandboxStatistics earlier = known == before.end() ? *now : std::move(known->second.now);
  return Usage{info->id, info->name, std::move(earlier), std::move(*now)};
}

struct Look {
  std::vector<Usage> usages{};
  int code = 0;
};

Result<Look> look(const StatsRequest& request, Looks& looks) {
  auto chosen = choose(request);
  if (!chosen) return std::unexpected(std::move(chosen).error());
  Look look{.code = chosen->code};
  for (const Sandbox& sandbox : chosen->sandboxes) {
    auto usage = look_at(sandbox, !request.names.empty(), looks);
    bool is_over = !usage && request.names.empty();  // It ended as we looked.
    if (!usage && !is_over) look.code = complain(usage.error());
    if (usage && *usage) look.usages.push_back(std::move(**usage));
  }
  looks.clear();
  for (const Usage& usage : look.usages) looks[usage.id] = usage;
  return look;
}

int show_once(const StatsRequest& request) {
  Looks looks;
  auto first = look(request, looks);
  if (!first) return complain(first.error());
  if (first->usages.empty() && first->code != 0) return first->code;
  if (!first->usages.empty()) ::usleep(kBetweenUs);  // A load is one over time.
  StatsRequest again = request;
  // What was wrong is said already; what has ended since is of no interest.
  Looks before = looks;
  again.names.clear();
  auto second = look(again, looks);
  if (!second) return complain(second.error());
  std::erase_if(second->usages, [&](const Usage& usage) { return !before.contains(usage.id); });
  if (request.json) {
    auto all = nlohmann::json::array();
    for (const Usage& usage : second->usages) all.push_back(usage_json(usage));
    print(all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  } else if (!request.format.empty()) {
    for (const Usage& usage : second->usages) {
      auto line = format_line(request.format, usage_json(usage));
      if (!line) return complain(line.error());
      print(*line + "\n");
    }
  } else {
    print(usage_table(second->usages));
  }
  return first->code;
}

// Until all that were named have ended, or somebody interrupts.
int show_on(const StatsRequest& request) {
  Looks looks;
  for (const char* start = kHome;; start = kTop) {
    auto now = look(request, looks);
    if (!now) return complain(now.error());
    if (now->usages.empty() && now->code != 0) return now->code;
    std::string screen = start, table = usage_table(now->usages);
    for (size_t at = 0; at < table.size();) {
      size_t end = table.find('\n', at);
      screen.append(table.substr(at, end - at)).append(kRestOfLine).append("\r\n");
      at = end + 1;
    }
    print(screen + kRestOfScreen);
    ::usleep(kBetweenUs);
  }
}

}  // namespace

int stats_command(const Invocation& invocation) {
  StatsRequest request;
  CLI::App app("Shows what sandboxes use, those named or all that run; on a terminal, anew each second.", "stats");
  set_style(app, "[FLAGS] [NAME...]");
  app.add_flag("--json", request.json, "For programs, once")->group("Flags");
  app.add_option("--format", request.format, "A line for each, once, as '{name} {cpu_percent}'; --json shows the names")
      ->option_text("TEXT")
      ->group("Flags");
  app.add_flag("--no-stream", request.once, "Once, on a terminal as well")->group("Flags");
  add_home_flag(app, request.home);
  app.get_help_ptr()->group("Flags");
  auto parsed = parse_words(app, invocation.arguments);
  if (!parsed) return complain(parsed.error());
  if (!*parsed) return 0;
  request.names = std::move(**parsed);
  auto carried = carry_sandboxes(invocation, Carry::kIfRunning);
  if (!carried) return complain(carried.error());
  if (*carried) return **carried;
  bool once = request.once || request.json || !request.format.empty() || ::isatty(STDOUT_FILENO) != 1;
  return once ? show_once(request) : show_on(request);
}

}  // namespace cloche::cli
