// The right to a name: one process at a time keeps the sandboxes that carry it in their label, and whoever has the
// right may take away what the one before left behind when it was killed.
#pragma once

#include <string>

#include "base/fd.h"
#include "cloche/sandbox.h"

namespace cloche {

class PoolOwner {
 public:
  // kInvalidArgument: somebody has it. Removes what carries the name already.
  static Result<PoolOwner> take(const std::string& home, const std::string& name);
  // Where what belongs to the name lies in the home, whoever has it: its lock, and a link "run" to its socket.
  static Result<std::string> directory_of(const std::string& home, const std::string& name);
  static Result<void> check_name(const std::string& name);

  const std::string& directory() const { return directory_; }

 private:
  PoolOwner(std::string directory, Fd lock) : directory_(std::move(directory)), lock_(std::move(lock)) {}
  std::string directory_;
  Fd lock_;
};

// Ends and removes a sandbox. That it is gone already is no error.
Result<void> end_sandbox(Sandbox sandbox);
// A new one, started; what cannot be started does not stay.
Result<Sandbox> make_running_sandbox(SandboxConfig config, const std::string& home, std::chrono::milliseconds deadline);

}  // namespace cloche
