// cloche inspect: all about sandboxes.
#include <CLI/CLI.hpp>

#include "cli/arguments.h"
#include "cli/carry.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/run_flags.h"
#include "cli/sandbox_table.h"
#include "cli/say.h"

namespace cloche::cli {

int inspect_command(const Invocation& invocation) {
  std::string format, home;
  CLI::App app("Shows all about sandboxes, as a JSON array.", "inspect");
  set_style(app, "[FLAGS] NAME...");
  app.add_option("--format", format, "A line for each instead, as '{name} {status}'")
      ->option_text("TEXT")
      ->group("Flags");
  add_home_flag(app, home);
  app.get_help_ptr()->group("Flags");
  auto parsed = parse_words(app, invocation.arguments);
  if (!parsed) return complain(parsed.error());
  if (!*parsed) return 0;
  if ((*parsed)->empty())
    return complain({ErrorCode::kInvalidArgument, 0, "inspect: name a sandbox; `cloche ps -a` lists them"});
  auto carried = carry_sandboxes(invocation, Carry::kIfRunning);
  if (!carried) return complain(carried.error());
  if (*carried) return **carried;
  int code = 0;
  auto all = nlohmann::json::array();
  for (const std::string& name : **parsed) {
    auto sandbox = Sandbox::open(name, home);
    auto info = sandbox ? sandbox->info() : std::unexpected(sandbox.error());
    if (!info) {
      code = complain(info.error());
      continue;
    }
    if (format.empty()) {
      all.push_back(sandbox_json(*info));
      continue;
    }
    auto line = format_line(format, sandbox_json(*info));
    if (!line) return complain(line.error());
    print(*line + "\n");
  }
  if (format.empty()) print(all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  return code;
}

}  // namespace cloche::cli
