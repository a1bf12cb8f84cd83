#include "carrier/terminal.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace cloche::carrier {
namespace {

// Settings may have to be changed when the shell has taken the terminal back already: without SIGTTOU blocked that
// would stop us.
void set(int fd, const termios& settings) {
  sigset_t stop, before;
  ::sigemptyset(&stop);
  ::sigaddset(&stop, SIGTTOU);
  ::pthread_sigmask(SIG_BLOCK, &stop, &before);
  while (::tcsetattr(fd, TCSANOW, &settings) < 0 && errno == EINTR) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace

Terminal::Terminal(int fd) : fd_(fd) {
  termios now{};
  if (fd >= 0 && ::tcgetattr(fd, &now) == 0) original_ = now;
}

bool Terminal::foreground() const { return present() && ::tcgetpgrp(fd_) == ::getpgrp(); }

void Terminal::enter_raw() {
  if (raw_ || !foreground()) return;
  termios raw = *original_;
  ::cfmakeraw(&raw);
  set(fd_, raw);
  raw_ = true;
}

void Terminal::restore() {
  if (!raw_) return;
  set(fd_, *original_);
  raw_ = false;
}

TerminalSettings Terminal::settings() const {
  if (!original_) return {};
  const termios& now = *original_;
  return {now.c_iflag,
          now.c_oflag,
          now.c_cflag,
          now.c_lflag,
          ::cfgetispeed(&now),
          ::cfgetospeed(&now),
          std::string(reinterpret_cast<const char*>(now.c_cc), sizeof now.c_cc)};
}

WindowSize Terminal::window() const {
  winsize size{};
  if (!original_ || ::ioctl(fd_, TIOCGWINSZ, &size) < 0) return {};
  return {size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel};
}

}  // namespace cloche::carrier
