// cloche create, and cloche run -d.
#include "cli/create.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "cli/arguments.h"
#include "cli/carry.h"
#include "cli/network_flags.h"
#include "cli/say.h"
#include "cloche/foreground.h"
#include "cloche/sandbox.h"

namespace cloche::cli {
namespace {

Result<Sandbox> create(const RunRequest& request) {
  SandboxConfig config = request.sandbox;
  config.vm = request.config;
  return Sandbox::create(std::move(config), request.home);
}

}  // namespace

Result<void> keep_streams(RunRequest& request) {
  Config& config = request.config;
  bool wants_terminal = request.terminal == TerminalChoice::kWanted;
  bool wants_input = wants_terminal || request.input == InputChoice::kAlways;
  if (wants_input && config.arguments.empty())
    return fail(ErrorCode::kInvalidArgument,
                "-i and -t are for the sandbox's own command; without one, `cloche exec -it` has both");
  config.input = wants_input ? Input::kCarried : Input::kNone;
  if (!wants_terminal) return {};
  config.terminal = terminal_size(STDIN_FILENO);
  const char* kind = ::isatty(STDIN_FILENO) == 1 ? std::getenv("TERM") : nullptr;
  if (kind != nullptr && *kind != '\0')
    config.environment.insert(config.environment.begin(), std::string("TERM=") + kind);
  return {};
}

int run_detached(const Invocation& invocation, const RunRequest& request) {
  if (request.timings) return complain({ErrorCode::kInvalidArgument, 0, "--timings: not with -d"});
  auto elsewhere = needs_machine(request.machine, request.config.verbosity);
  if (!elsewhere) return complain(elsewhere.error());
  if (*elsewhere) {
    auto code = run_in_machine(invocation);
    return code ? *code : complain(code.error());
  }
  auto sandbox = create(request);
  if (!sandbox) return complain(sandbox.error());
  if (auto started = sandbox->start(kStartPatience); !started) {
    int code = complain(started.error());
    // Nobody asked for a sandbox that does not run. Its process may still be on its way out.
    if (auto ended = sandbox->kill(); !ended) return complain(ended.error());
    if (auto removed = sandbox->remove(); !removed) return complain(removed.error());
    return started.error().code == ErrorCode::kNotFound ? exit_code({EndedBy::kLost, 0, LostReason::kNotFound}) : code;
  }
  print(sandbox->id() + "\n");
  return 0;
}

int create_command(const Invocation& invocation) {
  RunRequest request;
  request.config.verbosity = invocation.verbosity;
  CLI::App app("", "create");
  add_create_flags(app, request);
  auto parsed = parse_words(app, invocation.arguments);
  if (!parsed) return complain(parsed.error());
  if (!*parsed) return 0;
  request.config.arguments = std::move(**parsed);
  if (auto placed = place_ports(request); !placed) return complain(placed.error());
  if (auto kept = keep_streams(request); !kept) return complain(kept.error());
  auto sandbox = create(request);
  if (!sandbox) return complain(sandbox.error());
  print(sandbox->id() + "\n");
  return 0;
}

}  // namespace cloche::cli
