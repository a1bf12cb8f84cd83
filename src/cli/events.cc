// cloche events: what has become of the sandboxes, and what becomes of them.
#include "cloche/events.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "cli/arguments.h"
#include "cli/carry.h"
#include "cli/command.h"
#include "cli/event_text.h"
#include "cli/flag.h"
#include "cli/help.h"
#include "cli/moment.h"
#include "cli/run_flags.h"
#include "cli/sandbox_table.h"
#include "cli/say.h"

namespace cloche::cli {
namespace {

constexpr std::chrono::milliseconds kPatience{1000};

struct EventsRequest {
  std::string home, format;
  bool json = false;
  bool follow = false, no_follow = false;
  std::optional<uint64_t> since_ns, until_ns;
  EventFilter filter;
};

void add_flags(CLI::App& app, EventsRequest& request) {
  constexpr const char* kGroup = "Flags";
  set_style(app, "[FLAGS]");
  app.add_flag("-f,--follow", request.follow, "Go on, until --until where it is given; the default")->group(kGroup);
  app.add_flag("--no-follow", request.no_follow, "Only what there is")->group(kGroup);
  add(app, kGroup, {"--since", "TIME", "What came after: 10m (ago), or 2026-11-25T09:08:07Z; default now"},
      [&](const std::string& text) { return store(parse_moment(text), request.since_ns); });
  add(app, kGroup, {"--until", "TIME", "What came before"},
      [&](const std::string& text) { return store(parse_moment(text), request.until_ns); });
  add(app, kGroup,
      {"--filter", "KEY=VALUE", "id, name or event, or a detail; may be repeated: values of a key are alternatives"},
      [&](const std::string& text) { return request.filter.add(text); });
  app.add_flag("--json", request.json, "For programs: an object a line")->group(kGroup);
  app.add_option("--format", request.format, "A line for each, as '{time} {name} {event}'; --json shows the names")
      ->option_text("TEXT")
      ->group(kGroup);
  add_home_flag(app, request.home);
  app.get_help_ptr()->group(kGroup);
}

// False when there is nobody to read it any more.
Result<bool> show(const Event& event, const EventsRequest& request) {
  if (request.json) return pass_on(Output::kOutput, event_json(event).dump() + "\n");
  if (request.format.empty()) return pass_on(Output::kOutput, event_line(event) + "\n");
  auto line = format_line(request.format, event_json(event));
  if (!line) return std::unexpected(std::move(line).error());
  return pass_on(Output::kOutput, *line + "\n");
}

Result<void> watch(EventReader& reader, const EventsRequest& request) {
  for (;;) {
    bool late = request.until_ns && realtime_ns() >= *request.until_ns;
    auto event = reader.next(request.no_follow || late ? std::chrono::milliseconds(0) : kPatience);
    if (!event) return std::unexpected(std::move(event).error());
    if (!*event && (request.no_follow || late)) return {};
    if (!*event) continue;
    uint64_t time = (*event)->time_ns;
    if (request.since_ns && time < *request.since_ns) continue;
    if (request.until_ns && time >= *request.until_ns) continue;
    if (!request.filter.matches(**event)) continue;
    auto shown = show(**event, request);
    if (!shown) return std::unexpected(std::move(shown).error());
    if (!*shown) return {};
  }
}

}  // namespace

int events_command(const Invocation& invocation) {
  EventsRequest request;
  CLI::App app(
      "Shows what becomes of sandboxes, as it happens; with --since, --until or --no-follow, what has been as well.",
      "events");
  add_flags(app, request);
  auto parsed = parse_all(app, invocation.arguments);
  if (!parsed) return complain(parsed.error());
  if (*parsed == Parsed::kHelp) return 0;
  if (request.follow && request.no_follow)
    return complain({ErrorCode::kInvalidArgument, 0, "events: --follow and --no-follow exclude each other"});
  auto carried = carry_sandboxes(invocation, Carry::kIfRunning);
  if (!carried) return complain(carried.error());
  if (*carried) return **carried;
  bool past = request.since_ns || request.until_ns || request.no_follow;
  auto reader = EventReader::open(request.home, past ? EventsFrom::kOldest : EventsFrom::kNow);
  if (!reader) return complain(reader.error());
  auto watched = watch(*reader, request);
  return watched ? 0 : complain(watched.error());
}

}  // namespace cloche::cli
