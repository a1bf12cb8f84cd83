// cloche ps: what sandboxes there are.
#include <CLI/CLI.hpp>

#include "cli/arguments.h"
#include "cli/carry.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/run_flags.h"
#include "cli/sandbox_table.h"
#include "cli/say.h"

namespace cloche::cli {
namespace {

struct PsRequest {
  bool all = false;
  bool quiet = false;
  bool json = false;
  std::string format, home;
};

bool is_shown(const SandboxInfo& info, bool all) {
  return all || (info.status >= SandboxStatus::kStarting && info.status <= SandboxStatus::kStopping);
}

// What one cannot look at is said, and the others are shown.
std::vector<SandboxInfo> look_at(const std::vector<Sandbox>& sandboxes, bool all, int& code) {
  std::vector<SandboxInfo> infos;
  for (const Sandbox& sandbox : sandboxes) {
    auto info = sandbox.info();
    if (info && is_shown(*info, all)) infos.push_back(std::move(*info));
    if (!info && info.error().code != ErrorCode::kNotFound) code = complain(info.error());
  }
  return infos;
}

int show(const PsRequest& request, std::span<const SandboxInfo> infos) {
  if (request.json) {
    auto all = nlohmann::json::array();
    for (const SandboxInfo& info : infos) all.push_back(sandbox_json(info));
    print(all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  } else if (request.quiet || !request.format.empty()) {
    for (const SandboxInfo& info : infos) {
      auto line = format_line(request.quiet ? "{id}" : request.format, sandbox_json(info));
      if (!line) return complain(line.error());
      print(*line + "\n");
    }
  } else {
    print(sandbox_table(infos, realtime_ns()));
  }
  return 0;
}

}  // namespace

int ps_command(const Invocation& invocation) {
  PsRequest request;
  CLI::App app("Lists the sandboxes that run.", "ps");
  set_style(app, "[FLAGS]");
  app.add_flag("-a,--all", request.all, "Those as well that do not run")->group("Flags");
  app.add_flag("-q,--quiet", request.quiet, "Only their ids")->group("Flags");
  app.add_flag("--json", request.json, "For programs")->group("Flags");
  app.add_option("--format", request.format, "A line for each, as '{name} {status}'; --json shows the names")
      ->option_text("TEXT")
      ->group("Flags");
  add_home_flag(app, request.home);
  app.get_help_ptr()->group("Flags");
  auto parsed = parse_all(app, invocation.arguments);
  if (!parsed) return complain(parsed.error());
  if (*parsed == Parsed::kHelp) return 0;
  auto carried = carry_sandboxes(invocation, Carry::kIfRunning);
  if (!carried) return complain(carried.error());
  if (*carried) return **carried;
  auto sandboxes = list_sandboxes(request.home);
  if (!sandboxes) return complain(sandboxes.error());
  int code = 0;
  std::vector<SandboxInfo> infos = look_at(*sandboxes, request.all, code);
  int shown = show(request, infos);
  return shown != 0 ? shown : code;
}

}  // namespace cloche::cli
