// cloche pool serve, acquire, release, status: sandboxes that are ready before somebody needs one.
#include <fmt/format.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <array>
#include <functional>
#include <nlohmann/json.hpp>

#include "cli/arguments.h"
#include "cli/carry.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/run_flags.h"
#include "cli/say.h"
#include "cli/values.h"
#include "cloche/foreground.h"
#include "cloche/pool_service.h"

namespace cloche::cli {
namespace {

using Milliseconds = std::chrono::milliseconds;

struct Flag {
  const char* name;
  const char* value;
  const char* text;
};

template <typename T, typename Place>
CLI::Option* add(CLI::App& app, const Flag& flag, Result<T> (*parse)(const std::string&), Place& place) {
  auto take = [parse, &place, name = flag.name](const std::string& given) {
    auto parsed = parse(given);
    if (!parsed) throw CLI::ValidationError(name, parsed.error().message());
    place = *parsed;
  };
  return app.add_option_function<std::string>(flag.name, take, flag.text)->option_text(flag.value)->group("Flags");
}

Result<uint32_t> parse_min(const std::string& text) { return text == "0" ? Result<uint32_t>(0) : parse_count(text); }

// --- serve

struct ServeRequest {
  RunRequest create;
  PoolConfig pool;
};

void add_serve_flags(CLI::App& app, ServeRequest& request) {
  constexpr const char* kGroup = "The pool";
  add(app, {"--min", "N", "How many are kept ready; default 1"}, parse_min, request.pool.min)->group(kGroup);
  add(app, {"--max", "N", "How many exist at most; default 4"}, parse_count, request.pool.max)->group(kGroup);
  add(app, {"--idle-time", "TIME", "End what is ready beyond --min for so long; default 5m"}, parse_duration,
      request.pool.idle_time)
      ->group(kGroup);
  app.add_flag_callback(
         "--keep", [&] { request.pool.between_users = BetweenUsers::kKeep; },
         "Hand a released one on as its user left it; without, a fresh one takes its place")
      ->group(kGroup);
  add_create_flags(app, request.create);
  app.get_option("--name")->description("What the pool is called, and its sandboxes with a number")->group(kGroup);
  app.get_option("--idle-timeout")->group("");
  app.description(
      "Keeps sandboxes ready, in the foreground, until SIGTERM; then it removes them. Others use\n"
      "them with `cloche pool acquire` and `release`. Flags beyond the pool's are those of `cloche create`.");
  set_style(app, "--name NAME [FLAGS] [--] [COMMAND [ARGUMENT...]]");
}

bool ends_us(int signal) { return signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGQUIT; }

Result<void> serve_until_told(PoolService& service, const Signals& signals) {
  for (;;) {
    if (auto served = service.serve(signals.fd()); !served) return served;
    while (auto signal = signals.next())
      if (ends_us(*signal)) return {};
  }
}

int serve(const ServeRequest& request) {
  auto signals = Signals::create();
  if (!signals) return complain(signals.error());
  auto service = PoolService::create(request.pool);
  if (!service) return complain(service.error());
  print(fmt::format("serving pool {}: {} ready, {} at most\n", request.pool.name, request.pool.min, request.pool.max));
  auto served = serve_until_told(*service, *signals);
  return served ? 0 : complain(served.error());
}

int serve_command(const Invocation& invocation, std::span<const std::string> words) {
  ServeRequest request;
  request.create.config.verbosity = invocation.verbosity;
  CLI::App app("", "pool serve");
  add_serve_flags(app, request);
  auto parsed = parse_words(app, words);
  if (!parsed) return complain(parsed.error());
  if (!*parsed) return 0;
  request.pool.sandbox = request.create.sandbox;
  request.pool.sandbox.vm = request.create.config;
  request.pool.sandbox.vm.arguments = std::move(**parsed);
  request.pool.name = std::exchange(request.pool.sandbox.name, "");
  request.pool.home = request.create.home;
  request.pool.log = [name = request.pool.name](std::string_view line) { say(fmt::format("pool {}: {}", name, line)); };
  if (request.pool.name.empty())
    return complain({ErrorCode::kInvalidArgument, 0, "pool serve: name it, with --name NAME"});
  if (!request.create.ports.empty())
    return complain({ErrorCode::kInvalidArgument, 0, "-p: a port leads to one sandbox, and a pool has several"});
  if (request.pool.sandbox.idle_timeout)
    return complain({ErrorCode::kInvalidArgument, 0, "--idle-timeout: a pool has --idle-time"});
  auto elsewhere = needs_machine(request.create.machine, request.create.config.verbosity);
  if (!elsewhere) return complain(elsewhere.error());
  if (!*elsewhere) return serve(request);
  auto code = run_in_machine(invocation);
  return code ? *code : complain(code.error());
}

// --- acquire, release, status

struct ClientRequest {
  std::string home;
  Milliseconds timeout = Sandbox::kUsual;
  std::optional<Milliseconds> lease;
  bool json = false;
};

struct ClientVerb {
  const char* name;
  const char* text;
  const char* usage;
  size_t words;
  void (*add_flags)(CLI::App&, ClientRequest&);
  int (*act)(const PoolClient&, const ClientRequest&, const std::vector<std::string>& words);
};

int client_command(const Invocation& invocation, std::span<const std::string> arguments, const ClientVerb& verb) {
  ClientRequest request;
  CLI::App app(verb.text, std::string("pool ") + verb.name);
  set_style(app, verb.usage);
  verb.add_flags(app, request);
  add_home_flag(app, request.home);
  app.get_help_ptr()->group("Flags");
  auto words = parse_words(app, arguments);
  if (!words) return complain(words.error());
  if (!*words) return 0;
  if ((*words)->size() != verb.words)
    return complain({ErrorCode::kInvalidArgument, 0,
                     fmt::format("pool {0}: write it as cloche pool {0} {1}", verb.name, verb.usage)});
  auto carried = carry_sandboxes(invocation, Carry::kIfRunning);
  if (!carried) return complain(carried.error());
  if (*carried) return **carried;
  return verb.act(PoolClient((**words)[0], request.home), request, **words);
}

void add_acquire_flags(CLI::App& app, ClientRequest& request) {
  add(app, {"--timeout", "TIME", "How long to wait for one; default 30s"}, parse_duration, request.timeout);
  add(app, {"--lease", "TIME", "Give it back by itself after so long; default never"}, parse_duration, request.lease);
}

int acquire(const PoolClient& pool, const ClientRequest& request, const std::vector<std::string>&) {
  auto name = pool.acquire(request.timeout, request.lease);
  if (!name) return complain(name.error());
  print(*name + "\n");
  return 0;
}

int release(const PoolClient& pool, const ClientRequest&, const std::vector<std::string>& words) {
  auto released = pool.release(words[1]);
  return released ? 0 : complain(released.error());
}

void add_status_flags(CLI::App& app, ClientRequest& request) {
  app.add_flag("--json", request.json, "For programs")->group("Flags");
}

std::string status_json(const std::string& name, const PoolStatus& status) {
  nlohmann::json json{{"name", name},
                      {"min", status.min},
                      {"max", status.max},
                      {"ready", status.count(PooledState::kReady)},
                      {"in_use", status.count(PooledState::kInUse)},
                      {"starting", status.starting},
                      {"waiting", status.waiting},
                      {"failure", status.failure},
                      {"sandboxes", nlohmann::json::array()}};
  for (const PooledSandbox& each : status.sandboxes)
    json["sandboxes"].push_back(
        {{"id", each.id}, {"name", each.name}, {"state", name_of(each.state)}, {"age_ms", each.age.count()}});
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string status_text(const PoolStatus& status) {
  std::string text =
      fmt::format("{} ready, {} in use, {} starting, {} waiting; min {}, max {}\n", status.count(PooledState::kReady),
                  status.count(PooledState::kInUse), status.starting, status.waiting, status.min, status.max);
  for (const PooledSandbox& each : status.sandboxes)
    text += fmt::format("{}  {}  {} {}s\n", each.id, each.name, name_of(each.state), each.age.count() / 1000);
  if (!status.failure.empty()) text += fmt::format("the last start failed: {}\n", status.failure);
  return text;
}

int status(const PoolClient& pool, const ClientRequest& request, const std::vector<std::string>& words) {
  auto status = pool.status();
  if (!status) return complain(status.error());
  print(request.json ? status_json(words[0], *status) : status_text(*status));
  return 0;
}

constexpr std::array<ClientVerb, 3> kVerbs{{
    {"acquire", "Prints the name of a sandbox that is yours until `cloche pool release`, or for as long as --lease.",
     "[FLAGS] NAME", 1, add_acquire_flags, acquire},
    {"release", "Gives a sandbox back to its pool.", "[FLAGS] NAME SANDBOX", 2, [](CLI::App&, ClientRequest&) {},
     release},
    {"status", "Shows what a pool holds.", "[FLAGS] NAME", 1, add_status_flags, status},
}};

constexpr const char* kOverview =
    "Sandboxes that are ready before somebody needs one.\n\n"
    "Usage: cloche pool serve --name NAME [FLAGS] [COMMAND...]\n"
    "       cloche pool acquire [--timeout TIME] [--lease TIME] NAME\n"
    "       cloche pool release NAME SANDBOX\n"
    "       cloche pool status [--json] NAME\n\n"
    "Each explains itself with --help.\n";

}  // namespace

int pool_command(const Invocation& invocation) {
  if (invocation.arguments.empty())
    return complain({ErrorCode::kInvalidArgument, 0, "pool: say what: serve, acquire, release or status"});
  const std::string& word = invocation.arguments[0];
  auto rest = invocation.arguments.subspan(1);
  if (word == "--help" || word == "-h") {
    print(kOverview);
    return 0;
  }
  if (word == "serve") return serve_command(invocation, rest);
  for (const ClientVerb& verb : kVerbs)
    if (word == verb.name) return client_command(invocation, rest, verb);
  return complain({ErrorCode::kInvalidArgument, 0,
                   fmt::format("pool: unknown command {}; there are serve, acquire, release and status", word)});
}

}  // namespace cloche::cli
