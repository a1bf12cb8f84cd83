// cloche logs: what a sandbox's command has written.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <deque>

#include "cli/arguments.h"
#include "cli/carry.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/moment.h"
#include "cli/run_flags.h"
#include "cli/say.h"
#include "cli/values.h"
#include "cloche/sandbox.h"

namespace cloche::cli {
namespace {

constexpr useconds_t kLookUs = 100'000;

struct LogsRequest {
  std::string home;
  bool follow = false;
  bool times = false;
  std::optional<uint64_t> since_ns, until_ns;
  std::optional<uint32_t> tail;
};

// Lines whole, to the stream that they were written to.
class Printer {
 public:
  explicit Printer(bool times) : times_(times) {}
  bool show(const OutputEntry& entry) {
    bool& inside = inside_[entry.is_error ? 1 : 0];
    std::string text = times_ && !inside ? moment_text(entry.time_ns) + " " : "";
    text += entry.text;
    if (!entry.is_part) text += "\n";
    inside = entry.is_part;
    return pass_on(entry.is_error ? Output::kError : Output::kOutput, text);
  }

 private:
  bool times_;
  bool inside_[2] = {false, false};
};

Result<void> show(const Sandbox& sandbox, const LogsRequest& request) {
  OutputReader reader = sandbox.output();
  Printer printer(request.times);
  std::deque<OutputEntry> last;
  bool caught_up = !request.tail;
  for (;;) {
    // Looked at first: what is written before a sandbox's end is there when that is seen.
    auto info = sandbox.info();
    bool ended = !info || info->status < SandboxStatus::kStarting || info->status > SandboxStatus::kStopping;
    for (;;) {
      auto entry = reader.next();
      if (!entry) return std::unexpected(std::move(entry).error());
      if (!*entry) break;
      if (request.since_ns && (*entry)->time_ns < *request.since_ns) continue;
      if (request.until_ns && (*entry)->time_ns >= *request.until_ns) return {};
      if (caught_up && !printer.show(**entry)) return {};  // Nobody reads it any more.
      if (!caught_up) last.push_back(std::move(**entry));
      if (!caught_up && last.size() > *request.tail) last.pop_front();
    }
    for (const OutputEntry& entry : last)
      if (!printer.show(entry)) return {};
    last.clear();
    caught_up = true;
    if (!request.follow || ended) return {};
    ::usleep(kLookUs);
  }
}

void add_flags(CLI::App& app, LogsRequest& request) {
  set_style(app, "[FLAGS] NAME");
  auto moment = [&app](const char* name, std::optional<uint64_t>& place, const char* text) {
    app.add_option_function<std::string>(
           name,
           [&place, name](const std::string& given) {
             auto parsed = parse_moment(given);
             if (!parsed) throw CLI::ValidationError(name, parsed.error().message());
             place = *parsed;
           },
           text)
        ->option_text("TIME")
        ->group("Flags");
  };
  app.add_flag("-f,--follow", request.follow, "Go on until the sandbox has ended")->group("Flags");
  app.add_flag("-t,--timestamps", request.times, "With the time of each line")->group("Flags");
  moment("--since", request.since_ns, "Only what came after: 10m (ago), or 2026-11-25T09:08:07Z");
  moment("--until", request.until_ns, "Only what came before");
  app.add_option_function<std::string>(
         "-n,--tail",
         [&request](const std::string& given) {
           auto count = parse_count(given);
           if (!count) throw CLI::ValidationError("--tail", count.error().message());
           request.tail = *count;
         },
         "Only so many entries from the end")
      ->option_text("N")
      ->group("Flags");
  add_home_flag(app, request.home);
  app.get_help_ptr()->group("Flags");
}

}  // namespace

int logs_command(const Invocation& invocation) {
  LogsRequest request;
  CLI::App app("Shows what a sandbox's command has written, on the streams it was written to.", "logs");
  add_flags(app, request);
  auto parsed = parse_words(app, invocation.arguments);
  if (!parsed) return complain(parsed.error());
  if (!*parsed) return 0;
  if ((*parsed)->size() != 1)
    return complain({ErrorCode::kInvalidArgument, 0, "logs takes one sandbox; `cloche ps -a` lists them"});
  auto carried = carry_sandboxes(invocation, Carry::kIfRunning);
  if (!carried) return complain(carried.error());
  if (*carried) return **carried;
  auto sandbox = Sandbox::open((**parsed)[0], request.home);
  if (!sandbox) return complain(sandbox.error());
  auto shown = show(*sandbox, request);
  return shown ? 0 : complain(shown.error());
}

}  // namespace cloche::cli
