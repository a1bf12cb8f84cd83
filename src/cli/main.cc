// cloche: picks the subcommand. This file is the table of contents; each subcommand has a file of its name.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/machine.h"
#include "cli/say.h"

namespace cloche::cli {
namespace {

int machine_command(const Invocation& invocation);
int help_command(const Invocation& invocation);

struct Command {
  const char* name;
  int (*run)(const Invocation&);
  const char* text;
};
constexpr auto kCommands = std::to_array<Command>({
    {"run", run_command, "Run a command in a microVM of its own"},
    {"create", create_command, "Make a sandbox: a microVM that stays"},
    {"start", start_command, "Start sandboxes"},
    {"exec", exec_command, "Run a command in a running sandbox"},
    {"attach", attach_command, "Connect to the streams of a sandbox's command"},
    {"cp", cp_command, "Copy files between the host and a sandbox"},
    {"ps", ps_command, "List sandboxes"},
    {"inspect", inspect_command, "Show all about sandboxes, as JSON"},
    {"logs", logs_command, "Show what a sandbox's command has written"},
    {"events", events_command, "Show what becomes of sandboxes"},
    {"stats", stats_command, "Show what sandboxes use"},
    {"top", top_command, "Show the processes in a sandbox"},
    {"wait", wait_command, "Wait until sandboxes have ended"},
    {"pause", pause_command, "Let sandboxes stand still"},
    {"resume", resume_command, "Let paused sandboxes go on"},
    {"stop", stop_command, "End sandboxes in order"},
    {"restart", restart_command, "Stop and start sandboxes"},
    {"signal", signal_command, "Send the commands of sandboxes a signal"},
    {"kill", kill_command, "End sandboxes at once, or send their commands a signal"},
    {"rename", rename_command, "Give a sandbox another name"},
    {"rm", rm_command, "Remove sandboxes"},
    {"prune", prune_command, "Remove all sandboxes that do not run"},
    {"pool", pool_command, "Sandboxes that are ready before somebody needs one"},
    {"doctor", doctor_command, "Check everything that running VMs needs, and say what to do"},
    {"machine", machine_command, "The emulated machine, for hosts without usable KVM"},
    {"completion", completion_command, "Print the completion script for bash, zsh or fish"},
    {"version", version_command, "Print the version"},
    {"help", help_command, "Explain a command"},
});

std::string overview() {
  std::string text =
      "cloche runs untrusted code in microVMs: one command, one VM, its own kernel.\n\n"
      "Usage: cloche [-q|-v] COMMAND ...\n\n";
  for (const Command& command : kCommands) text += fmt::format("  {:<12}{}\n", command.name, command.text);
  return text +
         "\n  -q, --quiet     only errors\n"
         "  -v, --verbose   say what happens; -vv says more\n\n"
         "Try: cloche run -- python3 -c 'print(6 * 7)'\n"
         "More: cloche help run\n";
}

int unknown(const std::string& word) {
  std::vector<std::string> known;
  for (const Command& command : kCommands) known.emplace_back(command.name);
  std::string meant = nearest(word, known);
  std::string hint = meant.empty() ? "" : fmt::format("did you mean {}? ", meant);
  return complain(
      {ErrorCode::kInvalidArgument, 0, fmt::format("unknown command {}; {}`cloche help` lists all", word, hint)});
}

int dispatch(const Invocation& invocation, const std::string& name) {
  for (const Command& command : kCommands)
    if (name == command.name) return command.run(invocation);
  return unknown(name);
}

int help_command(const Invocation& invocation) {
  if (invocation.arguments.empty()) {
    print(overview());
    return 0;
  }
  static const std::vector<std::string> kHelp{"--help"};
  const std::string& name = invocation.arguments[0];
  if (name == "help" || name == "version") return help_command({});
  Invocation asked = invocation;
  asked.arguments = kHelp;
  return dispatch(asked, name);
}

int machine_command(const Invocation& invocation) {
  CLI::App app("", "cloche");
  std::function<int()> action;
  add_machine_command(app, action);
  std::vector<std::string> words(invocation.arguments.rbegin(), invocation.arguments.rend());  // As CLI11 wants them.
  words.emplace_back("machine");
  try {
    app.parse(std::move(words));
  } catch (const CLI::Success& asked) {
    return app.exit(asked);  // --help
  } catch (const CLI::ParseError& error) {
    return complain(
        {ErrorCode::kInvalidArgument, 0, std::string("machine: ") + error.what() + "; see `cloche machine --help`"});
  }
  return action ? action() : unknown("machine");
}

// A program started with a standard stream closed would get its first files in their place.
void open_standard_streams() {
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(fd, F_GETFD) < 0) static_cast<void>(::open("/dev/null", O_RDWR));  // Takes the lowest free: fd.
}

int start(std::span<const std::string> whole, uint64_t began_ns) {
  Invocation invocation{.whole = whole, .began_ns = began_ns};
  size_t at = 1;
  for (; at < whole.size() && whole[at].starts_with('-'); ++at) {
    const std::string& flag = whole[at];
    if (flag == "--help" || flag == "-h") return help_command({});
    if (flag == "--version") return version_command({});
    if (flag == "-q" || flag == "--quiet")
      invocation.verbosity = Verbosity::kError;
    else if (flag == "-vv" || (invocation.verbosity == Verbosity::kInfo && (flag == "-v" || flag == "--verbose")))
      invocation.verbosity = Verbosity::kDebug;
    else if (flag == "-v" || flag == "--verbose")
      invocation.verbosity = Verbosity::kInfo;
    else
      return complain({ErrorCode::kInvalidArgument, 0,
                       fmt::format("unknown flag {} before the command; `cloche help` lists all", flag)});
  }
  if (at == whole.size()) {
    say_plain(overview());
    return kOurs;
  }
  invocation.arguments = whole.subspan(at + 1);
  return dispatch(invocation, whole[at]);
}

}  // namespace
}  // namespace cloche::cli

int main(int argc, char** argv) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  cloche::cli::open_standard_streams();
  const std::vector<std::string> whole(argv, argv + argc);
  return cloche::cli::start(whole,
                            static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec));
}
