// The control queues of ConsolePorts: which ports there are, what they are called, who has them open.
#include <array>
#include <cstring>
#include <utility>

#include "base/append.h"
#include "devices/console_message.h"
#include "devices/console_ports.h"

namespace cloche {
namespace {

constexpr int kMessagesPerTurn = 64;

// In the order in which the driver is to hear of them.
constexpr std::array kTold{ConsoleEvent::kAdd, ConsoleEvent::kConsole, ConsoleEvent::kResize, ConsoleEvent::kName,
                           ConsoleEvent::kOpen};

}  // namespace

Result<virtio::Kick> ConsolePorts::take_control(virtio::Queue& queue) {
  for (int message = 0; message < kMessagesPerTurn; ++message) {
    auto chain = TRY(queue.pop());
    if (!chain) return virtio::Kick::kDone;
    ConsoleControl control;
    if (!chain->copy_out(0, std::as_writable_bytes(std::span(&control, 1))))
      return fail(ErrorCode::kGuest, "a control message that is too short");
    queue.push(chain->head, 0);
    obey(control.port, control.event, control.value);
  }
  return virtio::Kick::kMore;
}

// What means nothing is passed over, as section 5.3.6.2 has nothing to say of it.
void ConsolePorts::obey(uint32_t id, uint16_t event, uint16_t value) {
  if (event == static_cast<uint16_t>(ConsoleEvent::kDeviceReady)) {
    if (value == 1)
      for (auto& port : ports_) port->state.untold |= bit(ConsoleEvent::kAdd);
    return;
  }
  if (id >= ports_.size()) return;
  Port& port = *ports_[id];
  if (event == static_cast<uint16_t>(ConsoleEvent::kReady) && value == 1) {
    if (port.kind == PortKind::kConsole) {
      port.state.untold |= bit(ConsoleEvent::kConsole);
      if (port.size.columns != 0) port.state.untold |= bit(ConsoleEvent::kResize);
    }
    if (!port.name.empty()) port.state.untold |= bit(ConsoleEvent::kName);
    port.state.untold |= bit(ConsoleEvent::kOpen);
  }
  bool opened = event == static_cast<uint16_t>(ConsoleEvent::kOpen);
  bool console_ready = event == static_cast<uint16_t>(ConsoleEvent::kReady) && port.kind == PortKind::kConsole;
  if (!opened && !console_ready) return;
  port.state.guest_open = value == 1;
  if (port.state.guest_open) serve_again(id, Way::kToGuest);
}

// A guest's program reads the end of a stream once nobody is there; but then it waits when it writes. A terminal has no
// end.
bool ConsolePorts::has_ended(const Port& port) {
  return port.kind == PortKind::kPlain && port.input_was_given && port.state.input_ended && port.state.output_gone;
}

std::vector<std::byte> ConsolePorts::message_of(size_t number, ConsoleEvent event) const {
  const Port& port = *ports_[number];
  bool value = event != ConsoleEvent::kOpen || !has_ended(port);
  std::vector<std::byte> message;
  append(message, ConsoleControl{.port = static_cast<uint32_t>(number),
                                 .event = static_cast<uint16_t>(event),
                                 .value = static_cast<uint16_t>(value)});
  if (event == ConsoleEvent::kResize) append(message, ConsoleResize{port.size.columns, port.size.rows});
  if (event == ConsoleEvent::kName) {
    auto name = std::as_bytes(std::span(port.name));
    message.insert(message.end(), name.begin(), name.end());
  }
  return message;
}

// As many as the driver has buffers for; a kick announces the next one.
Result<void> ConsolePorts::tell() {
  virtio::Queue& queue = driver_->queue(kControlReceive);
  auto told = tell_into(queue);
  driver_->interrupt(kControlReceive);
  return told;
}

Result<void> ConsolePorts::tell_into(virtio::Queue& queue) {
  for (size_t number = 0; number < ports_.size(); ++number) {
    uint32_t& untold = ports_[number]->state.untold;
    for (ConsoleEvent event : kTold) {
      if ((untold & bit(event)) == 0) continue;
      auto chain = TRY(queue.pop());
      if (!chain) return {};
      std::vector<std::byte> message = message_of(number, event);
      if (!chain->copy_in(0, message)) return fail(ErrorCode::kGuest, "a buffer too small for a control message");
      queue.push(chain->head, static_cast<uint32_t>(message.size()));
      untold &= ~bit(event);
    }
  }
  return {};
}

// From outside of on_kick().
void ConsolePorts::ask_to_tell() {
  if (driver_ == nullptr || !has_ports() || telling_) return;
  telling_ = loop_.at(EventLoop::Clock::now(), [this] {
    telling_.reset();
    if (driver_ == nullptr) return;
    if (auto told = tell(); !told) faulted(std::move(told).error());
  });
}

}  // namespace cloche
