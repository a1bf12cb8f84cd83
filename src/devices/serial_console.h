// A UART of the guest's whose line leads to descriptors of the host. The host is read only as fast as the guest takes
// it, and the guest finds its transmitter full while the host takes no more.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "base/host_file.h"
#include "base/log.h"
#include "devices/console_ports.h"
#include "devices/serial.h"

namespace cloche {

class SerialConsole {
 public:
  static constexpr size_t kMostUnsent = 4096;  // What the guest may say ahead of the host.

  // `port` has no use for a name or a size. `loop` and `irq` outlive it; its end of the loop is the loop's.
  SerialConsole(ConsolePort port, IrqLine* irq, EventLoop& loop, Log log);
  SerialConsole(const SerialConsole&) = delete;
  SerialConsole& operator=(const SerialConsole&) = delete;

  BusDevice& uart() { return uart_; }
  // As ConsolePorts has it. Loop thread.
  bool flush(std::function<void()> taken);

 private:
  Serial::Room hear(std::span<const std::byte> bytes);
  void serve_output();
  void collect();
  bool send();
  void drop();
  void serve_input();
  bool fill();

  EventLoop& loop_;
  Log log_;
  HostFile input_;
  HostFile output_;
  std::function<void(std::span<const std::byte>)> copy_;
  std::function<void()> taken_;      // Loop thread, as are the next two.
  std::vector<std::byte> sending_;   // What the host has still to take.
  std::vector<std::byte> incoming_;  // What the guest has.
  std::mutex mutex_;                 // Guards the rest.
  std::vector<std::byte> unsent_;    // Not in sending_ yet.
  size_t held_ = 0;                  // In both.
  bool posted_ = false;
  Serial uart_;
};

}  // namespace cloche
