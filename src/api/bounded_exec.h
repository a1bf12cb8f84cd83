// A command in a sandbox, run to its end with its output taken down: bounded in time and memory, whatever the guest
// does.
#pragma once

#include "cloche/provider.h"

namespace cloche {

// Checks what is asked for.
Result<void> check_exec(const ProviderExec& exec);

// The command has begun within `patience`, or this is an error.
Result<ProviderResult> run_bounded(const Sandbox& sandbox, const ProviderExec& exec,
                                   std::chrono::milliseconds patience);

// What one stream of a command has written, up to a limit.
class CappedOutput {
 public:
  explicit CappedOutput(uint64_t limit) : limit_(limit) {}
  void take(std::span<const std::byte> bytes);
  std::string& text() { return text_; }
  bool is_cut() const { return cut_; }

 private:
  uint64_t limit_;
  std::string text_;
  bool cut_ = false;
};

// A command's end as a result, or as the error that it is where the command did not run at all.
Result<ProviderResult> result_of(const ExecOutcome& outcome);

}  // namespace cloche
