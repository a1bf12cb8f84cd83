// The caller's terminal: what it is set to, and raw mode with a sure way back.
#pragma once

#include <termios.h>

#include <optional>

#include "carrier/protocol.h"

namespace cloche::carrier {

class Terminal {
 public:
  // `fd` need not be a terminal; then there is nothing to do and nothing is done. It must stay open.
  explicit Terminal(int fd);
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() { restore(); }

  bool present() const { return original_.has_value(); }
  // Is the caller's process group the one that the terminal listens to? Only then may it read it or change it.
  bool foreground() const;
  // Every key goes to the command, as a byte. Does nothing in the background, and nothing twice.
  void enter_raw();
  // As it was when this was made.
  void restore();
  bool raw() const { return raw_; }

  TerminalSettings settings() const;
  WindowSize window() const;

 private:
  int fd_;
  std::optional<termios> original_;
  bool raw_ = false;
};

}  // namespace cloche::carrier
