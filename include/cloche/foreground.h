// What a program needs that runs a VM in the place of a command: the user's signals and terminal, and an exit code.
#pragma once

#include <signal.h>
#include <termios.h>

#include <optional>
#include <string>

#include "cloche/config.h"
#include "cloche/result.h"
#include "cloche/vm.h"

namespace cloche {

// From create() on, the signals that end or inform a program come out of next() instead, whichever thread they reach.
// Those that are ignored (nohup, a shell's background jobs) stay ignored. All of it is as it was when this object goes.
// For the thread that creates it; each of several threads with one gets every signal.
class Signals {
 public:
  static Result<Signals> create();
  Signals(Signals&& other) noexcept : fd_(other.fd_), before_(other.before_) { other.fd_ = -1; }
  Signals& operator=(Signals&&) = delete;
  ~Signals();

  int fd() const { return fd_; }    // Readable when there is one.
  std::optional<int> next() const;  // Does not wait.

 private:
  Signals(int fd, const sigset_t& before) : fd_(fd), before_(before) {}
  int fd_;
  sigset_t before_;  // Those that the thread held back before.
};

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

// What a shell would say: the code; 128 and the number of a signal; 127 where the command was not found, 126 where it
// cannot be executed, 125 for everything else.
int exit_code(const ExitStatus& status);

// "cloche: ..." and, after a guest's death, its kernel's last lines; empty where the command ended by itself.
std::string last_words(const Outcome& outcome);

}  // namespace cloche
