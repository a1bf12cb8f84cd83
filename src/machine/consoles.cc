// The guest's consoles and where its kernel logs.
#include <fmt/format.h>

#include <algorithm>

#include "arch/x86_64/layout.h"
#include "machine/machine.h"

namespace cloche {
namespace {

bool is_terminal(const ConsolePort& port) { return port.kind == PortKind::kConsole; }

}  // namespace

std::function<void(std::span<const std::byte>)> Machine::log_console() {
  return [this](std::span<const std::byte> bytes) { console_log_.append(bytes); };
}

// In the order of hvcN; the kernel's log is the last one.
std::vector<ConsolePort> Machine::virtio_ports() {
  std::vector<ConsolePort> ports;
  for (MachineConsole& console : config_.consoles)
    if (!console.is_serial) std::ranges::move(console.ports, std::back_inserter(ports));
  log_terminal_ = static_cast<size_t>(std::ranges::count_if(ports, is_terminal));
  if (!is_guests()) ports.push_back({.kind = PortKind::kConsole, .copy = log_console()});
  return ports;
}

// What a guest with its own first program says is all that is known of it when it dies.
void Machine::log_all_terminals() {
  for (MachineConsole& console : config_.consoles)
    for (ConsolePort& port : console.ports)
      if (is_terminal(port)) port.copy = log_console();
}

Result<void> Machine::create_consoles() {
  if (is_guests()) log_all_terminals();
  for (MachineConsole& console : config_.consoles)
    if (console.is_serial) TRY(add_serial(std::move(console.ports.at(0))));
  if (serial_consoles_.empty()) TRY(ports_.add(x86_64::kSerialPorts[0].port, Serial::kSize, serial_));
  auto ports = virtio_ports();
  // Linux has a console without ports when it has found the device, and needs it before its first program. It comes to
  // know the ports of others later; those of two devices could come in any order, and so would hvcN.
  if (!ports.empty() && is_terminal(ports[0]) && ports[0].name.empty()) {
    std::vector<ConsolePort> first;
    first.push_back(std::move(ports[0]));
    ports.erase(ports.begin());
    TRY(add_console(std::move(first)));
  }
  return ports.empty() ? Result<void>() : add_console(std::move(ports));
}

Result<void> Machine::add_console(std::vector<ConsolePort> ports) {
  consoles_.push_back(std::make_unique<ConsolePorts>(std::move(ports), *loop_, config_.log));
  return add_device(*consoles_.back(), fmt::format("console {}", consoles_.size() - 1));
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
