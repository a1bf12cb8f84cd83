// cloche exec: a command in a running sandbox, and its exit code.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <optional>

#include "cli/arguments.h"
#include "cli/carry.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/run_flags.h"
#include "cli/say.h"
#include "cloche/foreground.h"
#include "cloche/sandbox.h"

namespace cloche::cli {
namespace {

// The command may ignore being asked to end; the third time, it is ended.
constexpr int kMostRequests = 3;
// A guest with much to do takes its time, and whoever waits can interrupt.
constexpr std::chrono::minutes kPatience{5};

struct ExecRequest {
  std::string name;
  std::string home;
  ExecConfig config;
  InputChoice input = InputChoice::kAuto;
  TerminalChoice terminal = TerminalChoice::kNone;
};

void look_at_streams(ExecRequest& request) {
  ExecConfig& config = request.config;
  bool is_terminal = ::isatty(STDIN_FILENO) == 1;
  if (request.terminal == TerminalChoice::kWanted) {
    config.terminal = terminal_size(STDIN_FILENO);
    if (const char* kind = std::getenv("TERM"); kind != nullptr && *kind != '\0')
      config.environment.insert(config.environment.begin(), std::string("TERM=") + kind);
  }
  bool carried = request.input == InputChoice::kAlways || (request.input == InputChoice::kAuto && !is_terminal);
  config.input = carried || config.terminal ? Input::kCarried : Input::kNone;
}

// Nothing when help was asked for, and printed.
Result<std::optional<ExecRequest>> read_request(const Invocation& invocation) {
  ExecRequest request;
  CLI::App app("Runs a command in a running sandbox, and ends as the command does.", "exec");
  add_exec_flags(app, {request.config, request.input, request.terminal});
  add_home_flag(app, request.home);
  app.get_help_ptr()->group("Flags");
  auto parsed = parse_words(app, invocation.arguments);
  if (!parsed) return std::unexpected(std::move(parsed).error());
  if (!*parsed) return std::nullopt;
  std::vector<std::string>& words = **parsed;
  if (words.empty()) return fail(ErrorCode::kInvalidArgument, "exec: name a sandbox; `cloche ps` lists them");
  request.name = words[0];
  size_t first = words.size() > 1 && words[1] == "--" ? 2 : 1;
  request.config.arguments.assign(words.begin() + static_cast<ptrdiff_t>(std::min(first, words.size())), words.end());
  if (request.config.arguments.empty())
    return fail(ErrorCode::kInvalidArgument, "no command to run: cloche exec NAME COMMAND ARGUMENT...");
  if (request.terminal == TerminalChoice::kWanted && ::isatty(STDIN_FILENO) != 1)
    return fail(ErrorCode::kInvalidArgument, "-t: standard input is not a terminal; leave it out");
  look_at_streams(request);
  return request;
}

Result<void> pass_on(Exec& exec, int signal, const RawTerminal* terminal) {
  if (signal == SIGCONT && terminal != nullptr) terminal->apply();
  if (signal == SIGCONT || signal == SIGWINCH)
    return terminal == nullptr ? Result<void>() : exec.resize(terminal_size(STDIN_FILENO));
  return exec.signal(signal);
}

Result<ExecOutcome> serve(Exec& exec, const Signals& signals, const RawTerminal* terminal) {
  int requests = 0;
  for (;;) {
    auto outcome = exec.serve(signals.fd());
    if (!outcome) return std::unexpected(std::move(outcome).error());
    if (*outcome) return std::move(**outcome);
    while (auto signal = signals.next()) {
      bool wants_end = *signal == SIGINT || *signal == SIGTERM;
      if (wants_end && ++requests >= kMostRequests)
        return ExecOutcome{.status = {EndedBy::kSignal, SIGKILL, LostReason::kNone}};  // Its connection goes with us.
      if (auto passed = pass_on(exec, *signal, terminal); !passed) return std::unexpected(std::move(passed).error());
    }
  }
}

Result<ExecOutcome> run(const ExecRequest& request) {
  auto sandbox = Sandbox::open(request.name, request.home);
  if (!sandbox) return std::unexpected(std::move(sandbox).error());
  auto signals = Signals::create();
  if (!signals) return std::unexpected(std::move(signals).error());
  auto exec = sandbox->exec(request.config, kPatience);
  if (!exec) return std::unexpected(std::move(exec).error());
  std::optional<RawTerminal> terminal;
  if (request.config.terminal) {
    auto raw = RawTerminal::create(STDIN_FILENO);
    if (!raw) return std::unexpected(std::move(raw).error());
    terminal.emplace(std::move(*raw));
  }
  return serve(*exec, *signals, terminal ? &*terminal : nullptr);
}

}  // namespace

int exec_command(const Invocation& invocation) {
  auto request = read_request(invocation);
  if (!request) return complain(request.error());
  if (!*request) return 0;
  bool carried = (*request)->config.input == Input::kCarried;
  // Decided here: in the machine standard input may be a pipe.
  auto elsewhere = carry_sandboxes(invocation, Carry::kIfRunning, {carried ? "--stdin=always" : "--stdin=never"});
  if (!elsewhere) return complain(elsewhere.error());
  if (*elsewhere) return **elsewhere;
  auto outcome = run(**request);
  if (!outcome) return complain(outcome.error());
  if (outcome->timed_out) say("timed out");
  if (outcome->status.by == EndedBy::kLost) say(outcome->text);
  return exit_code(outcome->status);
}

}  // namespace cloche::cli
