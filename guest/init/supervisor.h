// Watches over the running command: its streams, the host's orders, every process that ends.
#pragma once

#include <sys/types.h>

#include "guest/init/control.h"
#include "guest/init/streams.h"
#include "wire/guest.h"

namespace cloche::init {

class Supervisor {
 public:
  // SIGCHLD must be blocked since before the command was started.
  Supervisor(Control& control, Streams& streams, wire::Exited& exited)
      : control_(control), streams_(streams), exited_(exited) {}

  enum class End { kCommandEnded, kHostGone };
  // Returns when the command and all other processes have ended, but for those that wait for a device that has stopped,
  // and the host has every byte of their output; how the command ended is then in `exited`. Or at once when the host is
  // gone. Allocates nothing: a guest out of memory is still served.
  End run(pid_t command);

 private:
  bool hear_orders();
  void send_signal(int number) const;
  void reap();
  void command_ended(int status);

  Control& control_;
  Streams& streams_;
  wire::Exited& exited_;
  pid_t command_ = -1;
  bool ended_ = false;      // The command.
  bool childless_ = false;  // No process is left.
};

}  // namespace cloche::init
