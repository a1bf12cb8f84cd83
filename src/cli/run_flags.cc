#include "cli/run_flags.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <map>

#include "cli/flag.h"
#include "cli/help.h"
#include "cli/network_flags.h"
#include "cli/upkeep_flags.h"
#include "cli/values.h"

namespace cloche::cli {
namespace {

constexpr const char* kDescription =
    "Runs a command in a microVM of its own, with its own kernel, and ends as the command does.\n"
    "The root is the host's own programs, read-only; what the command writes is gone with the VM.";

constexpr const char* kFooter =
    "Examples:\n"
    "  cloche run -- python3 -c 'print(6 * 7)'\n"
    "  cloche run -v .:/work -w /work -- make test\n"
    "  cloche run -it -- bash\n"
    "  cloche run --rootfs ./debian --memory 2G --cpus 4 --timeout 10m -- ./build.sh\n"
    "  tar c src | cloche run -- tar t\n"
    "  cloche run -d --name web --net -p 8080:8000 -- python3 -m http.server\n"
    "\n"
    "Exit code: the command's own; 128 + n when signal n ended it; 127 when it is not in the\n"
    "guest, 126 when it cannot be executed, 125 for everything else, with one line saying why.";

template <typename T>
Result<void> choose(const std::string& text, const std::map<std::string, T>& choices, T& place) {
  auto found = choices.find(text);
  std::string names;
  for (const auto& [name, value] : choices) names.append(names.empty() ? "" : ", ").append(name);
  if (found == choices.end()) return fail(ErrorCode::kInvalidArgument, "'" + text + "' is not one of " + names);
  place = found->second;
  return {};
}

Result<void> choose_input(const std::string& text, InputChoice& input) {
  static const std::map<std::string, InputChoice> kChoices{
      {"auto", InputChoice::kAuto}, {"always", InputChoice::kAlways}, {"never", InputChoice::kNever}};
  return choose(text, kChoices, input);
}

void add_file_flags(CLI::App& app, Config& config) {
  constexpr const char* kGroup = "Files";
  add(app, kGroup,
      {"--rootfs", "DIR|host",
       "Root file system: a directory with a Linux userland, or the host's own programs (default)"},
      [&](const std::string& text) {
        Writes writes = config.root.writes == Writes::kRefused ? Writes::kRefused : Writes::kPrivate;
        config.root = parse_root(text);
        config.root.writes = writes;
        return Result<void>();
      });
  add(app, kGroup,
      {"-v,--volume", "HOST:GUEST[:OPTION,...]", "Show a directory or file of the host in the guest; may be repeated"},
      [&](const std::string& text) { return append(parse_share(text), config.shares); });
  add(app, kGroup, {"--disk", "PATH[:ro][,OPTION,...]", "A disk: /dev/vda, then vdb ...; see docs/disks.md"},
      [&](const std::string& text) { return append(parse_disk(text), config.disks); });
  add(app, kGroup,
      {"--root-disk", "PATH[:ro][,OPTION,...]", "A disk whose file system is the root; what is written there stays"},
      [&](const std::string& text) { return parse_root_disk(text, config); });
  app.add_flag_callback(
         "--read-only", [&] { config.root.writes = Writes::kRefused; },
         "Refuse writes to the root instead of keeping them in memory")
      ->group(kGroup);
}

constexpr const char* kCommandGroup = "The command";

void add_command_flags(CLI::App& app, Config& config) {
  constexpr const char* kGroup = kCommandGroup;
  add(app, kGroup, {"-w,--workdir", "DIR", "Working directory in the guest; default /"}, [&](const std::string& text) {
    config.working_directory = text;
    return Result<void>();
  });
  // The file first, so that -e wins over it wherever it stands.
  add(app, kGroup, {"--env-file", "FILE", "Read variables from a file, one NAME=value a line"},
      [&](const std::string& text) { return add_variables_of_file(text, config.environment); });
  add(app, kGroup,
      {"-e,--env", "NAME[=VALUE]", "Set a variable, or pass on yours; nothing else of your environment is"},
      [&](const std::string& text) { return add_variable(text, config.environment); });
  add(app, kGroup, {"-u,--user", "UID[:GID]", "Run as this user of the guest; default 0"},
      [&](const std::string& text) { return store(parse_user(text), config.user); });
  add(app, kGroup, {"--ulimit", "NAME=SOFT[:HARD]", "Resource limit, as in --ulimit nofile=1024:2048; may be repeated"},
      [&](const std::string& text) { return append(parse_limit(text), config.limits); });
}

void add_stream_flags(CLI::App& app, RunRequest& request) {
  constexpr const char* kGroup = kCommandGroup;
  app.add_flag_callback(
         "-i,--interactive", [&] { request.input = InputChoice::kAlways; },
         "Carry standard input even from a terminal; pipes and files always are. With -d: keep it open for `cloche "
         "attach`")
      ->group(kGroup);
  app.add_flag_callback(
         "-t,--tty", [&] { request.terminal = TerminalChoice::kWanted; },
         "Give the command a terminal: yours; with -d, for `cloche attach`")
      ->group(kGroup);
  add(app, "", {"--stdin", "auto|always|never", "Whether standard input is carried"},
      [&](const std::string& text) { return choose_input(text, request.input); });
}

// Of a sandbox that is only made: nobody is connected to it yet.
void add_kept_stream_flags(CLI::App& app, RunRequest& request) {
  app.add_flag_callback(
         "-i,--interactive", [&] { request.input = InputChoice::kAlways; },
         "Keep the command's input open, for `cloche attach`")
      ->group(kCommandGroup);
  app.add_flag_callback(
         "-t,--tty", [&] { request.terminal = TerminalChoice::kWanted; },
         "Give the command a terminal, for `cloche attach`")
      ->group(kCommandGroup);
}

void add_machine_flags(CLI::App& app, RunRequest& request) {
  constexpr const char* kGroup = "The VM";
  Config& config = request.config;
  add(app, kGroup, {"--cpus", "N", "Virtual CPUs, 1 to 16; default 1"},
      [&](const std::string& text) { return store(parse_count(text), config.cpus); });
  add(app, kGroup, {"--memory", "SIZE", "Memory, as 512 (MiB), 512M or 4G; default 512M"},
      [&](const std::string& text) { return store(parse_memory(text), config.memory_mib); });
  add(app, kGroup, {"--hostname", "NAME", "The guest's name; default cloche"}, [&](const std::string& text) {
    config.hostname = text;
    return Result<void>();
  });
  add(app, kGroup, {"--timeout", "TIME", "End the VM after this time, as 30s, 500ms, 5m or 1h"},
      [&](const std::string& text) { return store(parse_duration(text), config.timeout); });
  add(app, kGroup, {"--kernel", "FILE", "Another guest kernel: an ELF vmlinux, a bzImage or a libkrunfw library"},
      [&](const std::string& text) {
        config.kernel_path = text;
        return text.empty() ? fail(ErrorCode::kInvalidArgument, "the path is empty") : Result<void>();
      });
  add(app, kGroup,
      {"--vhost-user", "TYPE=SOCKET[,OPTION,...]", "A device that another process serves; see docs/vhost-user.md"},
      [&](const std::string& text) { return append(parse_vhost_user(text), config.vhost_user); });
  add(app, kGroup,
      {"--machine", "auto|never|always", "Where KVM is missing or software: use the emulated machine (default auto)"},
      [&](const std::string& text) {
        static const std::map<std::string, MachineUse> kChoices{
            {"auto", MachineUse::kAuto}, {"never", MachineUse::kNever}, {"always", MachineUse::kAlways}};
        return choose(text, kChoices, request.machine);
      });
}

void add_sandbox_flags(CLI::App& app, RunRequest& request) {
  constexpr const char* kGroup = "A sandbox (-d)";
  SandboxConfig& sandbox = request.sandbox;
  add(app, kGroup, {"--name", "NAME", "What to call it; without, a name is made up"}, [&](const std::string& text) {
    sandbox.name = text;
    return text.empty() ? fail(ErrorCode::kInvalidArgument, "the name is empty") : Result<void>();
  });
  add(app, kGroup, {"--label", "NAME=VALUE", "Something to find it by; may be repeated"}, [&](const std::string& text) {
    size_t equals = std::min(text.find('='), text.size());
    if (equals == 0) return Result<void>(fail(ErrorCode::kInvalidArgument, "'" + text + "' must be NAME=VALUE"));
    sandbox.labels[text.substr(0, equals)] = equals == text.size() ? "" : text.substr(equals + 1);
    return Result<void>();
  });
  add(app, kGroup, {"--stop-timeout", "TIME", "What programs get between SIGTERM and SIGKILL; default 10s"},
      [&](const std::string& text) { return store(parse_grace(text), sandbox.stop_grace); });
  add(app, kGroup, {"--idle-timeout", "TIME", "Stop it when it has no command and nobody used it for so long"},
      [&](const std::string& text) { return store(parse_duration(text), sandbox.idle_timeout); });
  add(app, kGroup,
      {"--kelpie-port", "SOCKET[,listen|connect][,agent|command]",
       "Serve programs written for kelpie on this UNIX socket; see docs/kelpie.md"},
      [&](const std::string& text) { return store(parse_kelpie_port(text), sandbox.kelpie); });
  add(app, kGroup, {"--home", "DIR", "Where sandboxes are kept; default $CLOCHE_HOME, or ~/.local/share/cloche"},
      [&](const std::string& text) {
        request.home = text;
        return text.empty() ? fail(ErrorCode::kInvalidArgument, "the path is empty") : Result<void>();
      });
}

void add_report_flags(CLI::App& app, RunRequest& request) {
  constexpr const char* kGroup = "What it says";
  Config& config = request.config;
  app.add_flag_callback("-q,--quiet", [&] { config.verbosity = Verbosity::kError; }, "Only errors")->group(kGroup);
  app.add_flag_callback(
         "--verbose", [&] { config.verbosity = Verbosity::kInfo; },
         "Say what happens; `cloche -v run` and `cloche -vv run` as well")
      ->group(kGroup);
  add(app, kGroup, {"--console", "FILE", "Write the guest kernel's console to a file"}, [&](const std::string& text) {
    config.console_path = text;
    return text.empty() ? fail(ErrorCode::kInvalidArgument, "the path is empty") : Result<void>();
  });
  add(app, kGroup,
      {"--timings", "[=FILE]", "Show where the time went, host and guest; with a file, as a trace for ui.perfetto.dev"},
      [&](const std::string& text) {
        request.timings = text.empty() ? kTimingsTable : text;
        return Result<void>();
      })
      ->expected(0, 1);
  app.get_help_ptr()->group(kGroup);
}

}  // namespace

void add_run_flags(CLI::App& app, RunRequest& request) {
  app.description(kDescription);
  app.footer(kFooter);
  set_style(app, "[FLAGS] [--] COMMAND [ARGUMENT...]");
  add_file_flags(app, request.config);
  add_command_flags(app, request.config);
  add_stream_flags(app, request);
  add_network_flags(app, request);
  add_machine_flags(app, request);
  app.add_flag_callback(
         "-d,--detach", [&] { request.detach = Detach::kYes; }, "Leave it running as a sandbox, and print its id")
      ->group("A sandbox (-d)");
  add_sandbox_flags(app, request);
  add_upkeep_flags(app, request.sandbox);
  add_report_flags(app, request);
}

void add_create_flags(CLI::App& app, RunRequest& request) {
  app.description(
      "Makes a sandbox, a microVM that stays, and prints its id; `cloche start` starts it.\n"
      "With a command it lives as long as that; without, until it is stopped.");
  set_style(app, "[FLAGS] [--] [COMMAND [ARGUMENT...]]");
  add_sandbox_flags(app, request);
  add_file_flags(app, request.config);
  add_command_flags(app, request.config);
  add_kept_stream_flags(app, request);
  add_network_flags(app, request);
  add_machine_flags(app, request);
  add_upkeep_flags(app, request.sandbox);
  app.get_help_ptr()->group("What it says");
}

void add_exec_flags(CLI::App& app, ExecFlags flags) {
  constexpr const char* kGroup = "Flags";
  ExecConfig& config = flags.config;
  set_style(app, "[FLAGS] NAME [--] COMMAND [ARGUMENT...]");
  add(app, kGroup, {"-w,--workdir", "DIR", "Working directory in the guest; default the sandbox's"},
      [&](const std::string& text) {
        config.working_directory = text;
        return Result<void>();
      });
  add(app, kGroup, {"--env-file", "FILE", "Read variables from a file, one NAME=value a line"},
      [&](const std::string& text) { return add_variables_of_file(text, config.environment); });
  add(app, kGroup, {"-e,--env", "NAME[=VALUE]", "Set a variable, or pass on yours, over the sandbox's"},
      [&](const std::string& text) { return add_variable(text, config.environment); });
  add(app, kGroup, {"-u,--user", "UID[:GID]", "Run as this user of the guest; default the sandbox's"},
      [&](const std::string& text) { return store(parse_user(text), config.user); });
  add(app, kGroup, {"--timeout", "TIME", "End the command, with all its processes, after this time"},
      [&](const std::string& text) { return store(parse_duration(text), config.timeout); });
  app.add_flag_callback(
         "-i,--interactive", [flags] { flags.input = InputChoice::kAlways; },
         "Carry standard input even from a terminal; pipes and files always are")
      ->group(kGroup);
  app.add_flag_callback(
         "-t,--tty", [flags] { flags.terminal = TerminalChoice::kWanted; }, "Give the command a terminal: yours")
      ->group(kGroup);
  add(app, "", {"--stdin", "auto|always|never", "Whether standard input is carried"},
      [flags](const std::string& text) { return choose_input(text, flags.input); });
}

void add_home_flag(CLI::App& app, std::string& home) {
  add(app, "Flags", {"--home", "DIR", "Where sandboxes are kept; default $CLOCHE_HOME, or ~/.local/share/cloche"},
      [&](const std::string& text) {
        home = text;
        return text.empty() ? fail(ErrorCode::kInvalidArgument, "the path is empty") : Result<void>();
      });
}

}  // namespace cloche::cli
