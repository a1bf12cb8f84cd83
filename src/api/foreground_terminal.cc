// The user's terminal, raw for a while.
#include "cloche/foreground.h"

#include <sys/ioctl.h>

#include <cerrno>

namespace cloche {
namespace {

// TCSADRAIN lets output that is under way go out first, and keeps what the user typed ahead.
bool set(int fd, const termios& mode) {
  int result;
  do {
    result = ::tcsetattr(fd, TCSADRAIN, &mode);
  } while (result < 0 && errno == EINTR);
  return result == 0;
}

}  // namespace

TerminalSize terminal_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0) return {};
  return {size.ws_row, size.ws_col};
}

Result<RawTerminal> RawTerminal::create(int fd) {
  termios before{};
  if (::tcgetattr(fd, &before) < 0) return fail(ErrorCode::kInvalidArgument, "read the terminal's mode", errno);
  RawTerminal terminal(fd, before);
  terminal.apply();
  return terminal;
}

RawTerminal::~RawTerminal() {
  if (fd_ >= 0) set(fd_, before_);
}

void RawTerminal::apply() const {
  termios raw = before_;
  ::cfmakeraw(&raw);
  set(fd_, raw);
}

}  // namespace cloche
