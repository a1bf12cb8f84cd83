#include "cli/carry.h"

#include <fmt/format.h>
#include <string>
#include <vector>

#include "carrier/carrier.h"
#include "cli/say.h"
#include "cloche/preflight.h"
#include "cloche/stub.h"

namespace cloche::cli {
namespace {

constexpr int kSignalBase = 128;

}  // namespace

Result<bool> needs_machine(MachineUse wanted, Verbosity verbosity) {
  if (auto done = refuse_as_stub(); !done) return std::unexpected(std::move(done).error());
  if (carrier::inside_machine()) return false;
  if (wanted == MachineUse::kAlways) return true;
  KvmReport kvm = check_kvm();
  if (kvm.state == KvmState::kHardware) return false;
  if (wanted == MachineUse::kNever)
    return fail(ErrorCode::kUnavailable,
                fmt::format("{}, and --machine=never refuses the emulated machine; {}", kvm.text, kvm.remedy));
  if (verbosity >= Verbosity::kWarning)
    say(fmt::format("{}: running in the emulated machine (QEMU; a convenience, not isolation; --machine=never refuses)",
                    kvm.text));
  return true;
}

Result<int> run_in_machine(const Invocation& invocation, const std::vector<std::string>& added) {
  size_t before = invocation.whole.size() - invocation.arguments.size();
  std::vector<std::string> words(invocation.whole.begin(), invocation.whole.begin() + static_cast<ptrdiff_t>(before));
  words.insert(words.end(), added.begin(), added.end());
  words.insert(words.end(), invocation.arguments.begin(), invocation.arguments.end());
  carrier::Options options = carrier::installed_options();
  if (invocation.verbosity >= Verbosity::kWarning) options.progress = [](std::string_view line) { say(line); };
  auto exit = carrier::carry(options, std::move(words));
  if (!exit) return std::unexpected(std::move(exit).error());
  if (!exit->problem.empty()) return fail(ErrorCode::kHost, "run cloche in the emulated machine: " + exit->problem);
  return exit->signaled ? kSignalBase + exit->value : exit->value;
}

Result<std::optional<int>> carry_sandboxes(const Invocation& invocation, Carry carry,
                                           const std::vector<std::string>& words) {
  if (!refuse_as_stub()) return std::nullopt;  // What needs a VM says so; the rest works.
  if (carrier::inside_machine() || check_kvm().state == KvmState::kHardware) return std::nullopt;
  if (carry == Carry::kIfRunning) {
    auto status = carrier::status(carrier::installed_options());
    if (!status || !status->running) return std::nullopt;
  } else {
    auto needed = needs_machine(MachineUse::kAuto, invocation.verbosity);
    if (!needed) return std::unexpected(std::move(needed).error());
  }
  auto code = run_in_machine(invocation, words);
  if (!code) return std::unexpected(std::move(code).error());
  return *code;
}

}  // namespace cloche::cli
