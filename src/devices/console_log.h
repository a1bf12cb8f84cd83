// ConsoleLog: what the guest said last, kept for the error report, and passed on while it speaks. The guest is hostile
// and its words end on a terminal, so text from here never holds a control sequence; and nobody who listens slowly can
// hold the VM up.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"

namespace cloche {

// `bytes` as plain ASCII: newline and tab stay, carriage returns go (consoles end lines with them), anything else that
// is not printable, above 0x7e too (terminals know control characters there), becomes \xNN.
std::string printable(std::span<const std::byte> bytes);

class ConsoleLog {
 public:
  static constexpr size_t kCapacity = 64 << 10;  // Bytes kept; enough for a kernel's panic and what led to it.

  // How the tee writes.
  enum class Tee {
    kRaw,        // Byte by byte as the guest wrote: for files and pipes.
    kPrintable,  // As printable() has it: for a terminal that shall stay in our hands.
  };

  // Also writes to `fd` from now on, as far as that takes it without waiting. Pipes and terminals are opened anew (by
  // /proc), since making the caller's descriptor non-blocking would make it so for all who share it. The process must
  // ignore SIGPIPE.
  Result<void> tee(Fd fd, Tee how);

  // Any thread; never blocks on the tee. `bytes` are ours, not guest memory that changes while it is looked at.
  void append(std::span<const std::byte> bytes);

  // The last `count` lines, printable; the very last one may be unfinished. Any thread.
  std::string last_lines(size_t count) const;
  // Bytes the tee did not take. Any thread.
  uint64_t dropped_bytes() const;

 private:
  void keep(std::span<const std::byte> bytes);
  void pass_on(std::span<const std::byte> bytes);
  std::vector<std::byte> kept() const;

  mutable std::mutex mutex_;     // Guards everything.
  std::vector<std::byte> ring_;  // Grows to kCapacity, then `next_` is its oldest byte.
  size_t next_ = 0;
  Fd tee_;
  Tee tee_how_ = Tee::kRaw;
  bool tee_socket_ = false;
  uint64_t dropped_bytes_ = 0;
};

}  // namespace cloche
