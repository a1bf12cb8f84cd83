#include "krun/plan_consoles.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace cloche::krun {
namespace {

using Kind = AddedConsole::Kind;

bool is_terminal(int fd) { return fd >= 0 && ::isatty(fd) == 1; }

// -1: none of them.
int first_terminal(std::initializer_list<int> fds) {
  const auto* found = std::ranges::find_if(fds, is_terminal);
  return found == fds.end() ? -1 : *found;
}

// libkrun's default console: a terminal, and a stream for each of the three that is none, as its init looks for them.
// Without any terminal, what the kernel says goes where errors do.
GuestConsole default_console(const ConsoleStreams& streams) {
  int terminal = first_terminal({streams.output, streams.error, streams.input});
  GuestConsole console;
  console.ports.push_back({.kind = ConsolePortKind::kTerminal,
                           .input = is_terminal(streams.input) ? streams.input : -1,
                           .output = terminal >= 0 ? terminal : streams.error});
  auto is_stream = [](int fd) { return fd >= 0 && !is_terminal(fd); };
  if (is_stream(streams.input)) console.ports.push_back({.name = "krun-stdin", .input = streams.input});
  if (is_stream(streams.output)) console.ports.push_back({.name = "krun-stdout", .output = streams.output});
  if (is_stream(streams.error)) console.ports.push_back({.name = "krun-stderr", .output = streams.error});
  return console;
}

Result<int> open_output(const std::string& path) {
  int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOCTTY | O_CLOEXEC, 0644);
  if (file < 0) return fail(ErrorCode::kHost, "open console " + path, errno);
  return file;
}

void set_streams(const ConsoleStreams& streams, Config& config) {
  config.streams = {streams.input, streams.output, streams.error};
  config.input = streams.input >= 0 ? Input::kCarried : Input::kNone;
  bool has_terminal = config.first_program == FirstProgram::kCloche;
  // A terminal is one stream for both outputs: errors that go elsewhere would be lost in it.
  bool is_whole = is_terminal(streams.output) && (streams.error < 0 || is_terminal(streams.error));
  if (has_terminal && is_terminal(streams.input) && is_whole) config.terminal = terminal_size(streams.input);
}

// Those of the implicit console, unless there is none.
Result<std::optional<ConsoleStreams>> implicit_streams(const Context& context) {
  if (!context.has_implicit_console) return std::nullopt;
  if (!context.console_path) return ConsoleStreams{STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
  auto file = open_output(*context.console_path);
  if (!file) return std::unexpected(std::move(file).error());
  return ConsoleStreams{.output = *file, .error = *file};
}

GuestConsole implicit_console(const Context& context, const ConsoleStreams& streams) {
  if (!context.console_path) return default_console(streams);
  return {.ports = {{.kind = ConsolePortKind::kTerminal, .output = streams.output}}};
}

}  // namespace

// A command of ours has its streams without a console: those of the first default console, or of the implicit one.
Result<void> plan_consoles(const Context& context, Config& config) {
  auto streams = implicit_streams(context);
  if (!streams) return std::unexpected(std::move(streams).error());
  bool is_guests = config.first_program == FirstProgram::kGuests;
  if (is_guests && *streams) config.consoles.push_back(implicit_console(context, **streams));
  bool has_streams = false;
  for (const AddedConsole& console : context.consoles) {
    bool is_default = console.kind == Kind::kDefault;
    if (is_default && !is_guests && !std::exchange(has_streams, true))
      *streams = console.streams;
    else if (is_default)
      config.consoles.push_back(default_console(console.streams));
    else if (!console.ports.empty())
      config.consoles.push_back({.ports = console.ports});
  }
  std::ranges::copy(context.serial_consoles, std::back_inserter(config.consoles));
  set_streams(streams->value_or(ConsoleStreams()), config);
  return {};
}

Result<std::vector<RawTerminal>> raw_terminals(const Config& config) {
  std::vector<RawTerminal> all;
  std::vector<dev_t> devices;
  auto add = [&](int fd) -> Result<void> {
    struct stat status{};
    if (::fstat(fd, &status) < 0 || std::ranges::find(devices, status.st_rdev) != devices.end()) return {};
    auto raw = RawTerminal::create(fd);
    if (!raw) return std::unexpected(std::move(raw).error());
    devices.push_back(status.st_rdev);
    all.push_back(std::move(*raw));
    return {};
  };
  if (config.terminal)
    if (auto added = add(config.streams.input); !added) return std::unexpected(std::move(added).error());
  for (const GuestConsole& console : config.consoles)
    for (const GuestConsolePort& port : console.ports)
      if (port.kind == ConsolePortKind::kTerminal && is_terminal(port.input))
        if (auto added = add(port.input); !added) return std::unexpected(std::move(added).error());
  return all;
}

}  // namespace cloche::krun
