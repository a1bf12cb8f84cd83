// cloche create, and cloche run -d.
#include "cli/create.h"

#include <CLI/CLI.hpp>

#include "cli/arguments.h"
#include "cli/carry.h"
#include "cli/outcome.h"
#include "cli/say.h"
#include "cloche/sandbox.h"

namespace cloche::cli {
namespace {

Result<Sandbox> create(const RunRequest& request) {
  SandboxConfig config = request.sandbox;
  config.vm = request.config;
  return Sandbox::create(std::move(config), request.home);
}

}  // namespace

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
  if (auto started = sandbox->start(); !started) {
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
  auto sandbox = create(request);
  if (!sandbox) return complain(sandbox.error());
  print(sandbox->id() + "\n");
  return 0;
}

}  // namespace cloche::cli
