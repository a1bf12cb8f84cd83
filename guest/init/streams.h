// The streams of one command: its pipes or its terminal, and for each the connection to the host.
#pragma once

#include <array>
#include <span>

#include "guest/init/failure.h"
#include "guest/init/process.h"
#include "guest/init/pump.h"
#include "wire/guest.h"

namespace cloche::init {

class Streams {
 public:
  static constexpr size_t kPumps = 3;
  static constexpr size_t kPolls = kPumps * Pump::kPolls;

  // Begins to connect what `start` asks for.
  Result<void> connect(const wire::Start& start);
  // Makes the command's ends, in the root it will run in, and sees to it that the host has answered.
  Result<void> open(const wire::Start& start);
  const CommandStreams& command() const { return command_; }
  // Closes our copies of the command's ends.
  void command_started();
  // No process is left that reads its input or could take up its terminal again.
  void command_ended();

  void want(std::span<pollfd, kPolls> polls) const;
  void move(std::span<const pollfd, kPolls> polls);
  // Whether output that was read is still to be taken by the host.
  bool has_unsent() const { return output_.holds_bytes() || error_.holds_bytes(); }
  // Whether the host has every byte of output.
  bool drained() const;

  void resize(uint16_t rows, uint16_t columns) const;
  // The terminal's foreground process group; -1 without a terminal or group.
  pid_t foreground_group() const;

 private:
  Result<void> open_terminal(const wire::Start& start);
  Result<void> open_input();
  Result<void> open_output(Pump& pump, int socket, int& command_end);

  CommandStreams command_;
  int terminal_ = -1;  // The master side.
  int input_socket_ = -1, output_socket_ = -1, error_socket_ = -1;
  Pump input_, output_, error_;
};

}  // namespace cloche::init
