// The user's terminal while a command in a VM has it: raw, and put back whatever happens.
#pragma once

#include <termios.h>

#include <optional>

#include "cloche/config.h"
#include "cloche/result.h"

namespace cloche::cli {

// The size of the terminal on `fd`; the default where it does not say.
TerminalSize terminal_size(int fd);

class RawTerminal {
 public:
  // Makes the terminal on `fd` raw until this object goes.
  static Result<RawTerminal> create(int fd);
  RawTerminal(RawTerminal&& other) noexcept : fd_(other.fd_), before_(other.before_) { other.fd_ = -1; }
  RawTerminal& operator=(RawTerminal&&) = delete;
  ~RawTerminal();

  // Once more, after somebody (a shell, when it stopped us) has changed it.
  void apply() const;

 private:
  RawTerminal(int fd, const termios& before) : fd_(fd), before_(before) {}
  int fd_;
  termios before_;
};

}  // namespace cloche::cli
