// vm_control INSTALLATION CPUS COMMAND...: runs COMMAND in a VM and does with it what its standard input says, a word a
// line: pause, resume or kill. The command's output goes to standard output; standard error has a line "WORD: " for
// each with what failed, if anything did, and at last "ended: " with the outcome.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "cloche/vm.h"

namespace cloche {
namespace {

void say(std::string_view word, std::string_view what) { fmt::print(stderr, "{}: {}\n", word, what); }

Result<void> obey(Vm& vm, std::string_view word) {
  if (word == "pause") return vm.pause();
  if (word == "resume") return vm.resume();
  if (word == "kill") return vm.kill();
  return fail(ErrorCode::kInvalidArgument, "no such word");
}

// False at the end of input.
bool take_words(Vm& vm, std::string& rest) {
  char buffer[256];
  ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
  if (got <= 0) return false;
  rest.append(buffer, static_cast<size_t>(got));
  for (size_t end; (end = rest.find('\n')) != std::string::npos; rest.erase(0, end + 1)) {
    std::string word = rest.substr(0, end);
    auto done = obey(vm, word);
    say(word, done ? "" : done.error().message());
  }
  return true;
}

Result<Outcome> run(Config config) {
  auto vm = Vm::create(std::move(config));
  if (!vm) return std::unexpected(std::move(vm).error());
  if (auto started = vm->start(); !started) return std::unexpected(std::move(started).error());
  std::string rest;
  for (;;) {
    auto outcome = vm->try_wait();
    if (!outcome) return std::unexpected(std::move(outcome).error());
    if (*outcome) return std::move(**outcome);
    pollfd ready[] = {{vm->event_fd(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    ::poll(ready, 2, vm->wait_ms());
    // Its starter is gone, and so goes the VM.
    if (ready[1].revents != 0 && !take_words(*vm, rest)) return fail(ErrorCode::kInvalidArgument, "end of input");
  }
}

}  // namespace
}  // namespace cloche

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  cloche::Config config{.arguments = {argv + 3, argv + argc}, .cpus = static_cast<unsigned>(std::atoi(argv[2]))};
  config.installation = argv[1];
  config.verbosity = cloche::Verbosity::kDebug;
  config.log = [](cloche::Verbosity, std::string_view line) { cloche::say("log", line); };
  auto outcome = cloche::run(std::move(config));
  if (!outcome) {
    cloche::say("ended", outcome.error().message());
    return 1;
  }
  const cloche::ExitStatus& status = outcome->status;
  cloche::say("ended", fmt::format("by {} value {} reason {}", static_cast<int>(status.by), status.value,
                                   static_cast<int>(status.reason)));
  return 0;
}
