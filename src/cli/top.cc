// cloche top: the processes in a sandbox.
#include <CLI/CLI.hpp>

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

int show(std::span<const GuestProcess> processes, const std::string& format, bool json) {
  if (json) {
    auto all = nlohmann::json::array();
    for (const GuestProcess& each : processes) all.push_back(process_json(each));
    print(all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
    return 0;
  }
  if (format.empty()) {
    print(process_table(processes));
    return 0;
  }
  for (const GuestProcess& each : processes) {
    auto line = format_line(format, process_json(each));
    if (!line) return complain(line.error());
    print(*line + "\n");
  }
  return 0;
}

}  // namespace

int top_command(const Invocation& invocation) {
  std::string format, home;
  bool json = false;
  CLI::App app("Shows the processes in a running sandbox, without its kernel's.", "top");
  set_style(app, "[FLAGS] NAME");
  app.add_flag("--json", json, "For programs")->group("Flags");
  app.add_option("--format", format, "A line for each, as '{pid} {command}'; --json shows the names")
      ->option_text("TEXT")
      ->group("Flags");
  add_home_flag(app, home);
  app.get_help_ptr()->group("Flags");
  auto parsed = parse_words(app, invocation.arguments);
  if (!parsed) return complain(parsed.error());
  if (!*parsed) return 0;
  if ((*parsed)->size() != 1)
    return complain({ErrorCode::kInvalidArgument, 0, "top takes one sandbox; `cloche ps` lists them"});
  auto carried = carry_sandboxes(invocation, Carry::kIfRunning);
  if (!carried) return complain(carried.error());
  if (*carried) return **carried;
  auto sandbox = Sandbox::open((**parsed)[0], home);
  if (!sandbox) return complain(sandbox.error());
  auto statistics = read_statistics(*sandbox);
  if (!statistics) return complain(statistics.error());
  if (!statistics->guest)
    return complain(
        {ErrorCode::kUnavailable, 0, "sandbox " + (**parsed)[0] + ": it is paused: its guest cannot be asked"});
  return show(statistics->guest->processes, format, json);
}

}  // namespace cloche::cli
