// Passt: the process that connects a guest's network to the host's. It is the VMM's child, so that a sandbox that
// begins anew gets a new one, and what starts a VM has one child, not two. It confines itself, and ends when its socket
// is closed: also when the VMM is killed.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/fd.h"

namespace cloche {

class Passt {
 public:
  // Starts `program`. `socket` is to carry the guest's frames.
  struct Started;
  static Result<Started> start(const std::string& program, const std::vector<std::string>& arguments);
  Passt(Passt&& other) noexcept;
  Passt& operator=(Passt&&) = delete;
  // Ends it at once: the ports that it has are free when this returns.
  ~Passt() { end(); }
  void end();

  // Whether it still runs; if not, the reason as it gave it.
  Result<void> check();

 private:
  Passt(pid_t pid, Fd words) : pid_(pid), words_(std::move(words)) {}
  std::string last_words() const;
  pid_t pid_ = -1;
  Fd words_;  // What it writes to its standard error.
  std::string why_;
};

struct Passt::Started {
  Passt process;
  Fd socket;
};

}  // namespace cloche
