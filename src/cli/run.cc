// cloche run: from flags to a VM to an exit code.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <ctime>
#include <optional>

#include "cli/arguments.h"
#include "cli/carry.h"
#include "cli/command.h"
#include "cli/create.h"
#include "cli/network_flags.h"
#include "cli/run_flags.h"
#include "cli/say.h"
#include "cli/supervise.h"
#include "cli/timings.h"
#include "cli/upkeep_flags.h"
#include "cloche/foreground.h"

namespace cloche::cli {
namespace {

uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

// What the flags leave open because it depends on our own standard streams.
Result<void> look_at_streams(RunRequest& request) {
  Config& config = request.config;
  bool is_terminal = ::isatty(STDIN_FILENO) == 1;
  if (request.terminal == TerminalChoice::kWanted) {
    if (!is_terminal)
      return fail(ErrorCode::kInvalidArgument,
                  "-t: standard input is not a terminal; leave it out (a pipe or file is carried without it)");
    config.terminal = terminal_size(STDIN_FILENO);
    if (const char* kind = std::getenv("TERM"); kind != nullptr && *kind != '\0')
      config.environment.insert(config.environment.begin(), std::string("TERM=") + kind);
  }
  bool carried = request.input == InputChoice::kAlways || (request.input == InputChoice::kAuto && !is_terminal);
  config.input = carried || config.terminal ? Input::kCarried : Input::kNone;
  if (config.input == Input::kNone) config.streams.input = -1;
  return {};
}

// Nothing when help was asked for, and printed.
Result<std::optional<RunRequest>> read_request(const Invocation& invocation) {
  RunRequest request;
  request.config.verbosity = invocation.verbosity;
  CLI::App app("", "run");
  add_run_flags(app, request);
  auto parsed = parse_words(app, invocation.arguments);
  if (!parsed) return std::unexpected(std::move(parsed).error());
  if (!*parsed) return std::nullopt;
  request.config.arguments = std::move(**parsed);
  if (auto placed = place_ports(request); !placed) return std::unexpected(std::move(placed).error());
  std::string flag = request.detach == Detach::kYes ? "" : sandbox_flag_of(request.sandbox);
  if (!flag.empty()) return fail(ErrorCode::kInvalidArgument, flag + ": it is for a sandbox; add -d");
  auto looked = request.detach == Detach::kYes ? keep_streams(request) : look_at_streams(request);
  if (!looked) return std::unexpected(std::move(looked).error());
  // In a raw terminal a new line needs its carriage return.
  const char* line_end = request.config.terminal ? "\r" : "";
  request.config.log = [line_end](Verbosity, std::string_view line) { say(std::string(line) + line_end); };
  return request;
}

Result<Outcome> run_to_end(Vm& vm, const Config& config) {
  auto signals = Signals::create();
  if (!signals) return std::unexpected(std::move(signals).error());
  std::optional<RawTerminal> terminal;  // Put back before anybody prints how it ended.
  if (config.terminal) {
    auto raw = RawTerminal::create(STDIN_FILENO);
    if (!raw) return std::unexpected(std::move(raw).error());
    terminal.emplace(std::move(*raw));
  }
  if (auto started = vm.start(); !started) return std::unexpected(std::move(started).error());
  return supervise(vm, *signals, terminal ? &*terminal : nullptr);
}

int show_timings(const std::string& where, std::span<const TimedPhase> phases) {
  if (where == kTimingsTable) {
    say_plain(timings_table(phases));
    return 0;
  }
  auto written = write_trace(where, phases);
  return written ? 0 : complain(written.error());
}

int tell(const Outcome& outcome, const RunRequest& request) {
  say_plain(last_words(outcome));
  if (outcome.guest_faults > 0 && request.config.verbosity >= Verbosity::kInfo)
    say(fmt::format("the VM's devices refused {} requests of the guest", outcome.guest_faults));
  int code = exit_code(outcome.status);
  if (!request.timings) return code;
  int written = show_timings(*request.timings, outcome.phases);
  return written == 0 ? code : written;
}

// `run -q` is as `cloche -q run`.
Invocation quiet_as(Invocation invocation, const Config& config) {
  invocation.verbosity = config.verbosity;
  return invocation;
}

}  // namespace

int run_command(const Invocation& invocation) {
  auto request = read_request(invocation);
  if (!request) return complain(request.error());
  if (!*request) return 0;
  if ((*request)->detach == Detach::kYes) return run_detached(invocation, **request);
  const Config& config = (*request)->config;
  TimedPhase reading{"read the command line", false, invocation.began_ns, now_ns()};
  auto vm = Vm::create(config);  // What is wrong is said before a machine is started for it.
  if (!vm) return complain(vm.error());
  auto elsewhere = needs_machine((*request)->machine, config.verbosity);
  if (!elsewhere) return complain(elsewhere.error());
  if (*elsewhere) {
    // What depends on our own standard input is decided here: in the machine it may be a pipe.
    auto code = run_in_machine(quiet_as(invocation, config),
                               {config.input == Input::kCarried ? "--stdin=always" : "--stdin=never"});
    return code ? *code : complain(code.error());
  }
  auto outcome = run_to_end(*vm, config);
  if (!outcome) return complain(outcome.error());
  outcome->phases.insert(outcome->phases.begin(), std::move(reading));
  return tell(*outcome, **request);
}

}  // namespace cloche::cli
