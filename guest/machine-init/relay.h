// Carries a running command's bytes, signals and end between its pipes and terminal here and the client's connection.
#pragma once

#include <array>
#include <vector>

#include "carrier/link.h"
#include "command.h"

namespace cloche::machine_init {

class Relay {
 public:
  // `children` is a signalfd for SIGCHLD, blocked since before the command was started.
  Relay(carrier::Link& link, Command command, int children);

  // Until the command has ended and the client knows, or the client is gone: then all of the command's processes are
  // killed.
  void run();

 private:
  using Stream = carrier::Stream;
  struct Output {  // Command -> client.
    Fd fd;
    carrier::SendWindow window;
    bool discard = false;    // The client cannot take it any more; the command does not learn of it (a terminal).
    size_t rest = SIZE_MAX;  // After the command's end: what is still read.
  };
  struct Input {  // Client -> command.
    Fd fd;
    std::vector<std::byte> pending;
    size_t done = 0;
    carrier::ReceiveWindow window;
    bool ended = false;
  };

  Output* output_of(Stream stream);
  Input* input_of(Stream stream);
  bool serve_link(bool readable);
  bool handle(const carrier::Message& message);
  bool take_input(Stream stream, std::span<const std::byte> data);
  void end_input(Stream stream);
  void write_input(Stream stream);
  void close_input(Stream stream);
  void read_output(Stream stream);
  void end_output(Stream stream);
  bool wants(Output& output) const;
  void reap();
  void limit_rest();
  bool drained() const;

  carrier::Link& link_;
  Command command_;
  int children_;
  std::array<Output, carrier::kStreams> outputs_;  // By Stream; unused ones have no descriptor.
  std::array<Input, carrier::kStreams> inputs_;
  bool ended_ = false;
  carrier::Exited exited_;
};

}  // namespace cloche::machine_init
