// Carries bytes in one direction, with back-pressure: from the command to the host or the other way.
#pragma once

#include <poll.h>

#include <array>
#include <cstddef>

namespace cloche::init {

// Reads its source only when all it read before is written, so it holds one buffer at most. Owns both descriptors,
// which are non-blocking. Allocates nothing. Copies through a buffer rather than splice(): vsock takes spliced pages
// one by one, a packet each.
class Pump {
 public:
  // How the sink learns that no more comes.
  enum class Sink {
    kSocket,    // Half close; the socket stays.
    kPipe,      // Close.
    kTerminal,  // The terminal's end-of-file character.
  };
  static constexpr size_t kPolls = 2;

  void start(int source, int sink, Sink kind);
  bool running() const { return source_ >= 0; }
  bool holds_bytes() const { return running() && size_ > 0; }
  // What to wait for, kPolls of them.
  void want(pollfd* polls) const;
  // Moves what can be moved without waiting, given what poll() said of want().
  void move(const pollfd* polls);
  // Closes both ends as they are.
  void stop();

 private:
  static constexpr size_t kBuffer = 64 << 10;  // The largest vsock packet of Linux.
  static constexpr int kRounds = 8;            // Then it is another stream's turn.
  bool fill();
  bool flush();
  bool sink_takes();
  void finish();

  int source_ = -1;
  int sink_ = -1;
  Sink kind_ = Sink::kSocket;
  bool watch_hang_up_ = true;
  size_t begin_ = 0, size_ = 0;  // What of buffer_ is still to be written.
  std::array<std::byte, kBuffer> buffer_;
};

}  // namespace cloche::init
