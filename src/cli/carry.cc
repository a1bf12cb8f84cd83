#include "cli/carry.h"

#include <fmt/format.h>
#include <string>
#include <vector>

#include "carrier/carrier.h"
#include "cli/say.h"
#include "cloche/preflight.h"

namespace cloche::cli {
namespace {

constexpr int kSignalBase = 128;

}  // namespace

Result<bool> needs_machine(const RunRequest& request) {
  if (carrier::inside_machine()) return false;
  if (request.machine == MachineUse::kAlways) return true;
  KvmReport kvm = check_kvm();
  if (kvm.state == KvmState::kHardware) return false;
  if (request.machine == MachineUse::kNever)
    return fail(ErrorCode::kUnavailable,
                fmt::format("{}, and --machine=never refuses the emulated machine; {}", kvm.text, kvm.remedy));
  if (request.config.verbosity >= Verbosity::kWarning)
    say(fmt::format("{}: running in the emulated machine (QEMU; a convenience, not isolation; --machine=never refuses)",
                    kvm.text));
  return true;
}

Result<int> run_in_machine(const Invocation& invocation, const RunRequest& request) {
  // The same words, with what depends on our own standard input decided here: in the machine it may be a pipe.
  size_t before = invocation.whole.size() - invocation.arguments.size();
  std::vector<std::string> words(invocation.whole.begin(), invocation.whole.begin() + static_cast<ptrdiff_t>(before));
  words.emplace_back(request.config.input == Input::kCarried ? "--stdin=always" : "--stdin=never");
  words.insert(words.end(), invocation.arguments.begin(), invocation.arguments.end());
  carrier::Options options = carrier::installed_options();
  if (request.config.verbosity >= Verbosity::kWarning) options.progress = [](std::string_view line) { say(line); };
  auto exit = carrier::carry(options, std::move(words));
  if (!exit) return std::unexpected(std::move(exit).error());
  if (!exit->problem.empty()) return fail(ErrorCode::kHost, "run cloche in the emulated machine: " + exit->problem);
  return exit->signaled ? kSignalBase + exit->value : exit->value;
}

}  // namespace cloche::cli
