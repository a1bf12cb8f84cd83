// cloche doctor: every precondition, looked at, with what to do about it.
#include "cli/doctor.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/say.h"
#include "cloche/version.h"

namespace cloche::cli {
namespace {

constexpr int kNotReady = 1;

const char* mark(CheckState state) {
  switch (state) {
    case CheckState::kGood:
      return "ok";
    case CheckState::kNote:
      return "note";
    case CheckState::kFailed:
      break;
  }
  return "FAIL";
}

const char* verdict(const HostReport& report) {
  if (report.runs_directly) return "`cloche run` works on this host.";
  if (report.runs_in_machine)
    return "`cloche run` works, in the emulated machine: slower, and a convenience rather than isolation.";
  return "`cloche run` does not work here yet: see the lines marked FAIL.";
}

}  // namespace

std::string doctor_text(const HostReport& report) {
  std::string text;
  for (const Check& check : report.checks) {
    text += fmt::format("{:<5} {:<15} {}\n", mark(check.state), check.name, check.found);
    if (!check.remedy.empty()) text += fmt::format("{:<21} -> {}\n", "", check.remedy);
  }
  return text + "\n" + verdict(report) + "\n";
}

std::string doctor_json(const HostReport& report) {
  auto checks = nlohmann::json::array();
  for (const Check& check : report.checks)
    checks.push_back(
        {{"name", check.name}, {"state", mark(check.state)}, {"found", check.found}, {"remedy", check.remedy}});
  nlohmann::json whole{{"version", version()},
                       {"checks", std::move(checks)},
                       {"runs_directly", report.runs_directly},
                       {"runs_in_machine", report.runs_in_machine}};
  return whole.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

int doctor_command(const Invocation& invocation) {
  CLI::App app(
      "Checks everything that running VMs needs, and says what to do.\nEnds with 0 when `cloche run` works, directly "
      "or in the "
      "emulated machine; else with 1.",
      "doctor");
  set_style(app, "[--json]");
  bool json = false;
  app.add_flag("--json", json, "For programs")->group("Flags");
  app.get_help_ptr()->group("Flags");
  auto parsed = parse_all(app, invocation.arguments);
  if (!parsed) return complain(parsed.error());
  if (*parsed == Parsed::kHelp) return 0;
  HostReport report = examine_host();
  print(json ? doctor_json(report) : doctor_text(report));
  return report.runs_directly || report.runs_in_machine ? 0 : kNotReady;
}

}  // namespace cloche::cli
