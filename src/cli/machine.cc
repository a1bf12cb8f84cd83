#include "cli/machine.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>

#include "carrier/carrier.h"

namespace cloche {
namespace {

constexpr int kTrouble = 125;  // Not the command's own end.

// What the command line said; lives as long as the action does.
struct MachineArguments {
  bool icount = false;
  bool json = false;
  std::string user;
  std::vector<std::string> command;

  carrier::Options options() const {
    auto options = carrier::installed_options(icount ? carrier::Kind::kIcount : carrier::Kind::kNormal);
    options.progress = [](std::string_view line) { fmt::print(stderr, "cloche: {}\n", line); };
    return options;
  }
};
using Arguments = std::shared_ptr<MachineArguments>;

int complain(std::string_view message, int code = kTrouble) {
  fmt::print(stderr, "cloche: {}\n", message);
  return code;
}

int report(const Result<void>& result) { return result ? 0 : complain(result.error().message()); }

// "UID" or "UID:GID".
std::optional<carrier::User> parse_user(std::string_view text) {
  carrier::User user;
  const char* end = text.data() + text.size();
  auto [after_uid, bad_uid] = std::from_chars(text.data(), end, user.uid);
  if (bad_uid != std::errc()) return {};
  user.gid = user.uid;
  if (after_uid == end) return user;
  auto [after_gid, bad_gid] = std::from_chars(after_uid + 1, end, user.gid);
  if (*after_uid != ':' || bad_gid != std::errc() || after_gid != end) return {};
  return user;
}

int run_exec(const MachineArguments& arguments) {
  std::optional<carrier::User> user;
  if (!arguments.user.empty()) {
    user = parse_user(arguments.user);
    if (!user) return complain(fmt::format("--user {}: give it as UID or UID:GID", arguments.user));
  }
  auto ended = carrier::exec(arguments.options(), arguments.command, user);
  if (!ended) return complain(ended.error().message());
  if (!ended->problem.empty()) return complain(ended->problem, ended->value);
  return ended->signaled ? 128 + ended->value : ended->value;
}

int run_status(const MachineArguments& arguments) {
  auto status = carrier::status(arguments.options());
  if (!status) return complain(status.error().message());
  if (arguments.json) {
    nlohmann::json json{{"running", status->running}, {"console", status->console_path}};
    if (status->running)
      json.update({{"pid", status->pid},
                   {"port", status->port},
                   {"memory_mib", status->memory_mib},
                   {"commands", status->commands},
                   {"uptime_s", status->uptime_s},
                   {"idle_stop_s", status->idle_stop_s}});
    fmt::print("{}\n", json.dump());
  } else if (!status->running) {
    fmt::print("not running\n");
  } else {
    fmt::print("running: QEMU {}, {} MiB, up {} s, {} commands\n", status->pid, status->memory_mib, status->uptime_s,
               status->commands);
  }
  return 0;
}

}  // namespace

void add_machine_command(CLI::App& app, std::function<int()>& action) {
  auto arguments = std::make_shared<MachineArguments>();
  auto* machine = app.add_subcommand("machine", "The emulated computer that commands run in where KVM is missing");
  machine->require_subcommand(1);
  auto add = [&](const char* name, const char* what, int (*run)(const MachineArguments&)) {
    auto* command = machine->add_subcommand(name, what);
    command->add_flag("--icount", arguments->icount, "The one for measuring: an instruction is a nanosecond");
    command->callback([arguments, run, &action] { action = [arguments, run] { return run(*arguments); }; });
    return command;
  };
  add("start", "Start it, unless it runs",
      [](const MachineArguments& all) { return report(carrier::start(all.options())); });
  add("stop", "End it and everything in it",
      [](const MachineArguments& all) { return report(carrier::stop(all.options())); });
  add("status", "Does it run?", run_status)->add_flag("--json", arguments->json, "As one line of JSON");
  auto* exec = add("exec", "Run a command in it, as if it ran here", run_exec);
  exec->add_option("-u,--user", arguments->user, "UID[:GID] instead of the caller's");
  exec->add_option("command", arguments->command, "The command and its arguments")->required();
  exec->positionals_at_end()->prefix_command(false);
}

}  // namespace cloche
