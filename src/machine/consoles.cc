// The guest's consoles and where its kernel logs.
#include <fmt/format.h>

#include <algorithm>

#include "arch/x86_64/layout.h"
#include "machine/machine.h"

namespace cloche {
namespace {

size_t terminals_of(const MachineConsole& console) {
  if (console.is_serial) return 0;
  auto is_terminal = [](const ConsolePort& port) { return port.kind == PortKind::kConsole; };
  return static_cast<size_t>(std::ranges::count_if(console.ports, is_terminal));
}

}  // namespace

std::function<void(std::span<const std::byte>)> Machine::log_console() {
  return [this](std::span<const std::byte> bytes) { console_log_.append(bytes); };
}

// Linux counts terminals in the order in which it gets to know them: the log is the last one of the last
// virtio-console.
void Machine::add_log_port() {
  MachineConsole* last = nullptr;
  for (MachineConsole& console : config_.consoles) {
    log_terminal_ += terminals_of(console);
    if (!console.is_serial) last = &console;
  }
  if (last == nullptr) last = &config_.consoles.emplace_back();
  last->ports.push_back({.kind = PortKind::kConsole, .copy = log_console()});
}

// What a guest with its own first program says is all that is known of it when it dies.
void Machine::log_all_terminals() {
  for (MachineConsole& console : config_.consoles)
    for (ConsolePort& port : console.ports)
      if (port.kind == PortKind::kConsole) port.copy = log_console();
}

Result<void> Machine::create_consoles() {
  if (is_guests())
    log_all_terminals();
  else
    add_log_port();
  for (MachineConsole& console : config_.consoles) {
    if (console.is_serial) {
      TRY(add_serial(std::move(console.ports.at(0))));
      continue;
    }
    consoles_.push_back(std::make_unique<ConsolePorts>(std::move(console.ports), *loop_, config_.log));
    TRY(add_device(*consoles_.back(), fmt::format("console {}", consoles_.size() - 1)));
  }
  if (serial_consoles_.empty()) return ports_.add(x86_64::kSerialPorts[0].port, Serial::kSize, serial_);
  return {};
}

Result<void> Machine::add_serial(ConsolePort port) {
  const x86_64::SerialPort& place = x86_64::kSerialPorts[serial_consoles_.size()];
  irqs_.push_back(std::make_unique<VmIrq>(*vm_, place.line));
  serial_consoles_.push_back(std::make_unique<SerialConsole>(std::move(port), irqs_.back().get(), *loop_, config_.log));
  return ports_.add(place.port, Serial::kSize, serial_consoles_.back()->uart());
}

// What the guest's last words were, its consoles still may have to hand over. False: they do.
bool Machine::flush_consoles() {
  unflushed_ = 0;
  auto taken = [this] {
    if (--unflushed_ == 0) loop_->stop();
  };
  for (auto& console : consoles_)
    if (!console->flush(taken)) ++unflushed_;
  for (auto& console : serial_consoles_)
    if (!console->flush(taken)) ++unflushed_;
  return unflushed_ == 0;
}

}  // namespace cloche
