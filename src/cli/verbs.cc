// cloche start, stop, restart, signal, kill, pause, resume, rm, wait, rename: one act on each of the sandboxes named.
#include <fmt/format.h>
#include <signal.h>
#include <string.h>

#include <CLI/CLI.hpp>
#include <functional>

#include "cli/arguments.h"
#include "cli/carry.h"
#include "cli/command.h"
#include "cli/create.h"
#include "cli/help.h"
#include "cli/say.h"
#include "cli/values.h"
#include "cloche/foreground.h"
#include "cloche/sandbox.h"

namespace cloche::cli {
namespace {

using namespace std::chrono_literals;

constexpr int kFirstRealTime = 32;  // From there on signals have numbers only.
constexpr auto kAnswer = 30s;       // What a sandbox's process has beyond the time that its programs get.

struct Verb {
  const char* name;
  const char* text;
  const char* usage = "NAME...";
  Carry carry = Carry::kIfRunning;
};

// What was asked for: names, and what the verb's own flags took.
struct Words {
  std::vector<std::string> names;
  std::string home;
  std::optional<std::chrono::milliseconds> time;
  std::optional<int> signal;
  bool force = false;
  bool all = false;
};

void add_time(CLI::App& app, Words& words, const char* text) {
  app.add_option_function<std::string>(
         "-t,--time",
         [&](const std::string& given) {
           auto time = parse_grace(given);
           if (!time) throw CLI::ValidationError("--time", time.error().message());
           words.time = *time;
         },
         text)
      ->option_text("TIME")
      ->group("Flags");
}

// Empty when there is nothing left to do: help was printed.
Result<std::optional<Words>> read_words(const Invocation& invocation, const Verb& verb,
                                        const std::function<void(CLI::App&, Words&)>& add_flags) {
  Words words;
  CLI::App app(verb.text, verb.name);
  set_style(app, std::string("[FLAGS] ") + verb.usage);
  if (add_flags) add_flags(app, words);
  add_home_flag(app, words.home);
  app.get_help_ptr()->group("Flags");
  auto parsed = parse_words(app, invocation.arguments);
  if (!parsed) return std::unexpected(std::move(parsed).error());
  if (!*parsed) return std::nullopt;
  words.names = std::move(**parsed);
  if (words.names.empty() && !words.all)
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}: name a sandbox; `cloche ps -a` lists them", verb.name));
  return words;
}

using Act = std::function<Result<void>(Sandbox&, const Words&)>;

Result<std::vector<Sandbox>> find_all(const Words& words, int& failed) {
  if (words.all) return list_sandboxes(words.home);
  std::vector<Sandbox> found;
  for (const std::string& name : words.names) {
    auto sandbox = Sandbox::open(name, words.home);
    if (sandbox)
      found.push_back(std::move(*sandbox));
    else
      failed = complain(sandbox.error());
  }
  return found;
}

// All of them, whatever becomes of one; the exit code of the last that failed.
int act_on_each(const Invocation& invocation, const Verb& verb, const Words& words, const Act& act) {
  auto carried = carry_sandboxes(invocation, verb.carry);
  if (!carried) return complain(carried.error());
  if (*carried) return **carried;
  int code = 0;
  auto sandboxes = find_all(words, code);
  if (!sandboxes) return complain(sandboxes.error());
  for (Sandbox& sandbox : *sandboxes)
    if (auto done = act(sandbox, words); !done) code = complain(done.error());
  return code;
}

int on_each(const Invocation& invocation, const Verb& verb, const Act& act,
            const std::function<void(CLI::App&, Words&)>& add_flags = {}) {
  auto words = read_words(invocation, verb, add_flags);
  if (!words) return complain(words.error());
  return *words ? act_on_each(invocation, verb, **words, act) : 0;
}

Result<void> stop(Sandbox& sandbox, const Words& words) {
  auto info = sandbox.info();
  if (!info) return std::unexpected(std::move(info).error());
  return sandbox.stop(words.time, words.time.value_or(info->config.stop_grace) + kAnswer);
}

void say_id(const Sandbox& sandbox) { print(sandbox.id() + "\n"); }

Result<int> parse_signal(const std::string& text) {
  std::string name = text.starts_with("SIG") ? text.substr(3) : text;
  for (int number = 1; number < kFirstRealTime; ++number)
    if (const char* known = ::sigabbrev_np(number); known != nullptr && name == known) return number;
  auto number = parse_count(text);
  if (number && *number <= 64) return static_cast<int>(*number);
  return fail(ErrorCode::kInvalidArgument, "'" + text + "' is not a signal; name one as TERM, SIGTERM or 15");
}

void add_signal(CLI::App& app, Words& words) {
  app.add_option_function<std::string>(
         "-s,--signal",
         [&](const std::string& given) {
           auto signal = parse_signal(given);
           if (!signal) throw CLI::ValidationError("--signal", signal.error().message());
           words.signal = *signal;
         },
         "A signal for the process group of their commands")
      ->option_text("SIGNAL")
      ->group("Flags");
}

}  // namespace

int start_command(const Invocation& invocation) {
  constexpr Verb kVerb{"start", "Starts sandboxes; each is ready when its id is printed.", "NAME...", Carry::kStarting};
  return on_each(invocation, kVerb, [](Sandbox& sandbox, const Words&) -> Result<void> {
    if (auto started = sandbox.start(kStartPatience); !started) return started;
    say_id(sandbox);
    return {};
  });
}

int stop_command(const Invocation& invocation) {
  constexpr Verb kVerb{"stop", "Ends sandboxes in order: SIGTERM to their programs, SIGKILL later, then the VM."};
  return on_each(invocation, kVerb, stop, [](CLI::App& app, Words& words) {
    add_time(app, words, "What programs get between SIGTERM and SIGKILL; default what the sandbox was made with");
  });
}

int restart_command(const Invocation& invocation) {
  constexpr Verb kVerb{"restart", "Stops sandboxes and starts them again.", "NAME...", Carry::kStarting};
  return on_each(
      invocation, kVerb,
      [](Sandbox& sandbox, const Words& words) -> Result<void> {
        if (auto stopped = stop(sandbox, words); !stopped) return stopped;
        if (auto started = sandbox.start(kStartPatience); !started) return started;
        say_id(sandbox);
        return {};
      },
      [](CLI::App& app, Words& words) { add_time(app, words, "As for `cloche stop`"); });
}

int signal_command(const Invocation& invocation) {
  constexpr Verb kVerb{"signal", "Sends a signal to the process groups of sandboxes' commands.", "SIGNAL NAME..."};
  auto words = read_words(invocation, kVerb, add_signal);
  if (!words) return complain(words.error());
  if (!*words) return 0;
  Words& given = **words;
  if (!given.signal) {
    auto signal = parse_signal(given.names[0]);
    if (!signal) return complain(std::move(signal).error().in("signal"));
    given.signal = *signal;
    given.names.erase(given.names.begin());
  }
  if (given.names.empty())
    return complain({ErrorCode::kInvalidArgument, 0, "signal: name a sandbox; `cloche ps` lists them"});
  return act_on_each(invocation, kVerb, given,
                     [](Sandbox& sandbox, const Words& all) { return sandbox.signal(*all.signal); });
}

int kill_command(const Invocation& invocation) {
  constexpr Verb kVerb{"kill", "Ends sandboxes at once; with -s, sends a signal to their commands instead."};
  return on_each(
      invocation, kVerb,
      [](Sandbox& sandbox, const Words& words) {
        return words.signal ? sandbox.signal(*words.signal) : sandbox.kill();
      },
      add_signal);
}

int pause_command(const Invocation& invocation) {
  constexpr Verb kVerb{"pause", "Lets sandboxes stand still; their guests notice nothing of it."};
  return on_each(invocation, kVerb, [](Sandbox& sandbox, const Words&) { return sandbox.pause(); });
}

int resume_command(const Invocation& invocation) {
  constexpr Verb kVerb{"resume", "Lets paused sandboxes go on."};
  return on_each(invocation, kVerb, [](Sandbox& sandbox, const Words&) { return sandbox.resume(); });
}

int rm_command(const Invocation& invocation) {
  constexpr Verb kVerb{"rm", "Removes sandboxes, and all that is kept of them."};
  return on_each(
      invocation, kVerb,
      [](Sandbox& sandbox, const Words& words) -> Result<void> {
        if (words.force)
          if (auto killed = sandbox.kill(); !killed) return killed;
        auto removed = sandbox.remove();
        // With -a those that run are left alone.
        if (!removed && words.all && removed.error().code != ErrorCode::kHost) return {};
        return removed;
      },
      [](CLI::App& app, Words& words) {
        app.add_flag("-f,--force", words.force, "Kill those that run")->group("Flags");
        app.add_flag("-a,--all", words.all, "All that do not run; with -f, all")->group("Flags");
      });
}

int wait_command(const Invocation& invocation) {
  constexpr Verb kVerb{
      "wait", "Waits until sandboxes have ended, and prints the exit code of each as `cloche run` would have."};
  return on_each(
      invocation, kVerb,
      [](Sandbox& sandbox, const Words& words) -> Result<void> {
        auto info = sandbox.wait(words.time);
        if (!info) return std::unexpected(std::move(info).error());
        ExitStatus status{};
        if (info->status == SandboxStatus::kExited)
          status = {info->signal != 0 ? EndedBy::kSignal : EndedBy::kExit,
                    info->signal != 0 ? info->signal : info->exit_code, LostReason::kNone};
        print(fmt::format("{}\n", exit_code(status)));
        return {};
      },
      [](CLI::App& app, Words& words) { add_time(app, words, "How long at most"); });
}

int rename_command(const Invocation& invocation) {
  constexpr Verb kVerb{"rename", "Gives a sandbox another name.", "NAME NEW-NAME"};
  auto words = read_words(invocation, kVerb, {});
  if (!words) return complain(words.error());
  if (!*words) return 0;
  if ((*words)->names.size() != 2)
    return complain({ErrorCode::kInvalidArgument, 0, "rename takes two names: the old and the new one"});
  auto sandbox = Sandbox::open((*words)->names[0], (*words)->home);
  if (!sandbox) return complain(sandbox.error());
  auto renamed = sandbox->rename((*words)->names[1]);
  return renamed ? 0 : complain(renamed.error());
}

}  // namespace cloche::cli
