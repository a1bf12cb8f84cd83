// cloche attach: the streams of a sandbox's own command, and its exit code.
#include "cloche/attach.h"

#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <optional>

#include "cli/arguments.h"
#include "cli/carry.h"
#include "cli/command.h"
#include "cli/detach_keys.h"
#include "cli/help.h"
#include "cli/run_flags.h"
#include "cli/say.h"
#include "cloche/foreground.h"

namespace cloche::cli {
namespace {

// The command may ignore being asked to end; the third time, it is left alone.
constexpr int kMostRequests = 3;
constexpr int kSignalBase = 128;

// What becomes of the signals that we are sent.
enum class SignalProxy { kPassedOn, kOurs };

struct AttachRequest {
  std::string name, home;
  AttachConfig config;
  SignalProxy signals = SignalProxy::kPassedOn;
  std::string detach_keys = kUsualDetachKeys;
};

void add_flags(CLI::App& app, AttachRequest& request) {
  constexpr const char* kGroup = "Flags";
  set_style(app, "[FLAGS] NAME");
  app.add_flag_callback(
         "--no-stdin", [&] { request.config.input = Input::kNone; }, "Only look on: pass no input to the command")
      ->group(kGroup);
  app.add_flag_callback(
         "--close-stdin", [&] { request.config.end_of_input = EndOfInput::kPassedOn; },
         "When the input here ends, end the command's; without, it stays open for the next one who attaches")
      ->group(kGroup);
  app.add_option_function<std::string>(
         "--sig-proxy",
         [&](const std::string& given) {
           if (given != "" && given != "true" && given != "false")
             throw CLI::ValidationError("--sig-proxy", "'" + given + "' is not one of true, false");
           request.signals = given == "false" ? SignalProxy::kOurs : SignalProxy::kPassedOn;
         },
         "Pass signals on to the command (default); with =false, or on its terminal, they end `cloche attach`, and the "
         "command "
         "goes on")
      ->option_text("[=true|false]")
      ->expected(0, 1)
      ->group(kGroup);
  app.add_option_function<std::string>(
         "--detach-keys",
         [&](const std::string& given) {
           auto keys = parse_detach_keys(given);
           if (!keys) throw CLI::ValidationError("--detach-keys", keys.error().message());
           request.detach_keys = *keys;
         },
         "What to type on a terminal to leave the command alone; default ctrl-p,ctrl-q")
      ->option_text("KEY[,KEY...]")
      ->group(kGroup);
  add_home_flag(app, request.home);
  app.get_help_ptr()->group(kGroup);
}

// Serves an attachment to its end.
class Viewer {
 public:
  Viewer(Attachment& attachment, const Signals& signals, SignalProxy proxy, const RawTerminal* terminal)
      : attachment_(attachment), signals_(signals), proxy_(proxy), terminal_(terminal) {}

  // The exit code where a signal ended us; else how it came to its end.
  Result<std::optional<AttachOutcome>> run(int& code) {
    for (;;) {
      auto outcome = attachment_.serve(signals_.fd());
      if (!outcome || *outcome) return outcome;
      while (auto signal = signals_.next()) {
        auto passed = take(*signal, code);
        if (!passed) return std::unexpected(std::move(passed).error());
        if (code != 0) return std::nullopt;
      }
    }
  }

 private:
  Result<void> take(int signal, int& code) {
    if (signal == SIGCONT && terminal_ != nullptr) terminal_->apply();
    if (signal == SIGCONT || signal == SIGWINCH)
      return terminal_ == nullptr ? Result<void>() : attachment_.resize(terminal_size(STDIN_FILENO));
    bool wants_end = signal == SIGINT || signal == SIGTERM;
    if (proxy_ == SignalProxy::kOurs || (wants_end && ++requests_ >= kMostRequests)) {
      code = kSignalBase + signal;
      return {};
    }
    return attachment_.signal(signal);
  }

  Attachment& attachment_;
  const Signals& signals_;
  SignalProxy proxy_;
  const RawTerminal* terminal_;
  int requests_ = 0;
};

Result<std::optional<AttachOutcome>> attach(AttachRequest& request, int& code) {
  auto sandbox = Sandbox::open(request.name, request.home);
  if (!sandbox) return std::unexpected(std::move(sandbox).error());
  auto info = sandbox->info();
  if (!info) return std::unexpected(std::move(info).error());
  bool is_terminal = info->config.vm.terminal && request.config.input == Input::kCarried && ::isatty(STDIN_FILENO) == 1;
  if (is_terminal) {
    request.config.size = terminal_size(STDIN_FILENO);
    request.config.detach_keys = request.detach_keys;
  }
  auto signals = Signals::create();
  if (!signals) return std::unexpected(std::move(signals).error());
  auto attachment = Attachment::create(*sandbox, request.config);
  if (!attachment) return std::unexpected(std::move(attachment).error());
  std::optional<RawTerminal> terminal;  // Put back before anybody prints how it ended.
  if (is_terminal) {
    auto raw = RawTerminal::create(STDIN_FILENO);
    if (!raw) return std::unexpected(std::move(raw).error());
    terminal.emplace(std::move(*raw));
  }
  // What is typed on a terminal reaches the command as it is; a signal there is about us: the window was closed.
  SignalProxy proxy = is_terminal ? SignalProxy::kOurs : request.signals;
  return Viewer(*attachment, *signals, proxy, terminal ? &*terminal : nullptr).run(code);
}

}  // namespace

int attach_command(const Invocation& invocation) {
  AttachRequest request;
  CLI::App app(
      "Connects to the streams of a sandbox's own command, from now on, and ends as the command does. What it is\n"
      "typed reaches the command where the sandbox was made with -i or -t; `cloche logs` shows what was before.",
      "attach");
  add_flags(app, request);
  auto parsed = parse_words(app, invocation.arguments);
  if (!parsed) return complain(parsed.error());
  if (!*parsed) return 0;
  if ((*parsed)->size() != 1)
    return complain({ErrorCode::kInvalidArgument, 0, "attach takes one sandbox; `cloche ps` lists them"});
  request.name = (**parsed)[0];
  auto elsewhere = carry_sandboxes(invocation, Carry::kIfRunning);
  if (!elsewhere) return complain(elsewhere.error());
  if (*elsewhere) return **elsewhere;
  int code = 0;
  auto outcome = attach(request, code);
  if (!outcome) return complain(outcome.error());
  if (!*outcome || (*outcome)->is_detached) {
    say("detached from " + request.name + ", which goes on");
    return code;
  }
  if ((*outcome)->status.by == EndedBy::kLost) say((*outcome)->text);
  return exit_code((*outcome)->status);
}

}  // namespace cloche::cli
