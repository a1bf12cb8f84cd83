#include "guest/init/pump.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace cloche::init {
namespace {

constexpr char kEndOfFile = 4;  // Control-D, as a new terminal has it.

bool try_later(ssize_t result) { return result < 0 && (errno == EAGAIN || errno == EINTR); }

}  // namespace

void Pump::start(int source, int sink, Sink kind) {
  source_ = source;
  sink_ = sink;
  kind_ = kind;
}

void Pump::want(pollfd* polls) const {
  bool full = size_ > 0;
  polls[0] = {full ? -1 : source_, POLLIN, 0};
  // A sink that goes away is seen also while there is nothing to write: that is when `tail -f` should learn of it.
  short hang_up = watch_hang_up_ ? POLLRDHUP : 0;
  polls[1] = {sink_, static_cast<short>(full ? POLLOUT | hang_up : hang_up), 0};
}

void Pump::move(const pollfd* polls) {
  if (!running() || (polls[0].revents | polls[1].revents) == 0) return;
  if (size_ == 0 && polls[1].revents != 0 && !sink_takes()) return stop();
  for (int round = 0; round < kRounds; ++round) {
    if (size_ == 0 && !fill()) return;
    if (!flush()) return;
  }
}

// False when there is nothing to write now.
bool Pump::fill() {
  ssize_t got = ::read(source_, buffer_.data(), buffer_.size());
  if (try_later(got)) return false;
  if (got <= 0) {
    finish();  // An error is the end as well: EIO is how a terminal's master says that nobody has the other side.
    return false;
  }
  begin_ = 0;
  size_ = static_cast<size_t>(got);
  return true;
}

// False when not all of it could be written now.
bool Pump::flush() {
  while (size_ > 0) {
    ssize_t put = kind_ == Sink::kSocket ? ::send(sink_, buffer_.data() + begin_, size_, MSG_NOSIGNAL)
                                         : ::write(sink_, buffer_.data() + begin_, size_);
    if (try_later(put)) return false;
    if (put < 0) {
      stop();  // Nobody reads there: the writer on the other side learns it by SIGPIPE, SIGHUP or a closed connection.
      return false;
    }
    begin_ += static_cast<size_t>(put);
    size_ -= static_cast<size_t>(put);
  }
  return true;
}

// Called when poll() reported something else than room: whether bytes would still be taken. A host that has only closed
// its own direction is not asked again, or poll() would report it for ever.
bool Pump::sink_takes() {
  if (kind_ != Sink::kSocket) return false;
  watch_hang_up_ = false;
  return ::send(sink_, nullptr, 0, MSG_NOSIGNAL) == 0;  // Checks the state of the connection, sends nothing.
}

void Pump::finish() {
  if (kind_ == Sink::kTerminal) {
    [[maybe_unused]] ssize_t put = ::write(sink_, &kEndOfFile, 1);
  }
  if (kind_ == Sink::kSocket) {
    ::shutdown(sink_, SHUT_WR);
    sink_ = -1;  // Left open: closing would cut off what the host has not taken yet.
  }
  stop();
}

void Pump::stop() {
  if (source_ >= 0) ::close(source_);
  if (sink_ >= 0) ::close(sink_);
  source_ = sink_ = -1;
  size_ = 0;
}

}  // namespace cloche::init
