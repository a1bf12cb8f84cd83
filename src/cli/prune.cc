// cloche prune: removes the sandboxes that do not run.
#include "cloche/prune.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cli/arguments.h"
#include "cli/carry.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/moment.h"
#include "cli/run_flags.h"
#include "cli/say.h"
#include "cli/statistics_table.h"

namespace cloche::cli {
namespace {

struct PruneRequest {
  PruneFilter filter;
  std::string home;
  bool force = false;
  bool json = false;
};

// "label=NAME", "label=NAME=VALUE", "until=TIME".
Result<void> take_filter(const std::string& text, PruneFilter& filter) {
  size_t equals = std::min(text.find('='), text.size());
  std::string kind = text.substr(0, equals), value = equals < text.size() ? text.substr(equals + 1) : "";
  if (kind == "until" && !value.empty()) {
    auto moment = parse_moment(value);
    if (!moment) return std::unexpected(std::move(moment).error());
    filter.created_before_ns = *moment;
    return {};
  }
  size_t split = value.find('=');
  if (kind != "label" || value.empty() || split == 0)
    return fail(ErrorCode::kInvalidArgument, "'" + text + "' must be label=NAME, label=NAME=VALUE or until=TIME");
  if (split == std::string::npos)
    filter.labels[value] = std::nullopt;
  else
    filter.labels[value.substr(0, split)] = value.substr(split + 1);
  return {};
}

// Nothing when help was asked for, and printed.
Result<std::optional<PruneRequest>> read_request(const Invocation& invocation) {
  PruneRequest request;
  CLI::App app("Removes all sandboxes that do not run, and all that is kept of them.", "prune");
  set_style(app, "[FLAGS]");
  app.add_flag("-f,--force", request.force, "Without asking")->group("Flags");
  app.add_option_function<std::vector<std::string>>(
         "--filter",
         [&](const std::vector<std::string>& all) {
           for (const std::string& each : all)
             if (auto taken = take_filter(each, request.filter); !taken)
               throw CLI::ValidationError("--filter", taken.error().message());
         },
         "Only those with a label (label=NAME or label=NAME=VALUE), or made before a time (until=24h, "
         "until=2026-11-25T09:08:07Z); all that are given count")
      ->option_text("WHICH")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group("Flags");
  app.add_flag("--json", request.json, "For programs")->group("Flags");
  add_home_flag(app, request.home);
  app.get_help_ptr()->group("Flags");
  auto parsed = parse_all(app, invocation.arguments);
  if (!parsed) return std::unexpected(std::move(parsed).error());
  if (*parsed == Parsed::kHelp) return std::nullopt;
  return request;
}

Result<bool> is_wanted(const PruneRequest& request) {
  if (request.force) return true;
  if (::isatty(STDIN_FILENO) != 1 || request.json)
    return fail(ErrorCode::kInvalidArgument, "prune: there is nobody to ask; -f says that it is wanted");
  say_plain("This removes all sandboxes that do not run. Go on? [y/N] ");
  char answer = 0, rest = 0;
  if (::read(STDIN_FILENO, &answer, 1) != 1) return false;
  for (rest = answer; rest != '\n' && ::read(STDIN_FILENO, &rest, 1) == 1;) {
  }
  return answer == 'y' || answer == 'Y';
}

void show(const PruneReport& report, bool json) {
  if (!json) {
    for (const PrunedSandbox& each : report.removed) print(fmt::format("{} {}\n", each.id, each.name));
    print(fmt::format("{} removed, {} freed\n", report.removed.size(), bytes_text(report.bytes)));
    return;
  }
  auto removed = nlohmann::json::array();
  for (const PrunedSandbox& each : report.removed)
    removed.push_back({{"id", each.id}, {"name", each.name}, {"bytes", each.bytes}});
  nlohmann::json whole{{"removed", std::move(removed)}, {"bytes", report.bytes}};
  print(whole.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace

int prune_command(const Invocation& invocation) {
  auto request = read_request(invocation);
  if (!request) return complain(request.error());
  if (!*request) return 0;
  auto wanted = is_wanted(**request);
  if (!wanted) return complain(wanted.error());
  if (!*wanted) return 0;
  auto carried = carry_sandboxes(invocation, Carry::kIfRunning, {"--force"});  // It was asked for here.
  if (!carried) return complain(carried.error());
  if (*carried) return **carried;
  auto report = prune_sandboxes((*request)->filter, (*request)->home);
  if (!report) return complain(report.error());
  show(*report, (*request)->json);
  int code = 0;
  for (const Error& error : report->failed) code = complain(error);
  return code;
}

}  // namespace cloche::cli
