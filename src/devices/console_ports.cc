#include "devices/console_ports.h"

#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cassert>
#include <system_error>
#include <utility>

#include "devices/console_message.h"
#include "virtio/spec.h"

namespace cloche {
namespace {

// The loop's other users get their turn after so much of one port.
constexpr int kChainsPerTurn = 64;
constexpr size_t kBytesPerTurn = 256 << 10;
// What is copied at once.
constexpr size_t kPiece = 4096;
// A guest's queues hold no more than what it wrote before its end.
constexpr int kLastTurns = 64;

struct ConfigSpace {  // Section 5.3.4.
  le16 columns, rows;
  le32 most_ports;
  le32 emergency_write;
};
static_assert(sizeof(ConfigSpace) == 12);

WindowSize size_of(const Fd& terminal) {
  winsize size{};
  if (!terminal || ::ioctl(terminal.get(), TIOCGWINSZ, &size) < 0) return {};
  return {.rows = size.ws_row, .columns = size.ws_col};
}

// The pieces of a chain, as system calls take them.
template <typename Piece>
std::vector<iovec> pieces_of(const std::vector<Piece>& spans) {
  std::vector<iovec> pieces;
  pieces.reserve(spans.size());
  // The system call that is given a readable piece only reads it, but was declared without const.
  for (const auto& span : spans) pieces.push_back({const_cast<std::byte*>(span.data()), span.size()});
  return pieces;
}

}  // namespace

ConsolePorts::Port::Port(ConsolePort from, EventLoop& loop)
    : name(std::move(from.name)),
      kind(from.kind),
      follows_size(from.follows_size),
      input_was_given(static_cast<bool>(from.input)),
      input(from.follows_size ? from.input.duplicate().value_or(Fd()) : std::move(from.input), loop),
      output(std::move(from.output), loop),
      copy(std::move(from.copy)) {
  if (follows_size) terminal = std::move(from.input);
  size = size_of(terminal);
  state.input_ended = !input;
  state.output_gone = !output;
}

ConsolePorts::ConsolePorts(std::vector<ConsolePort> ports, EventLoop& loop, Log log)
    : loop_(loop), log_(std::move(log)) {
  assert(!ports.empty() && ports.size() <= kMostPorts);
  assert(std::ranges::all_of(ports, [](const ConsolePort& port) { return port.name.size() <= kMostNameBytes; }));
  for (ConsolePort& port : ports) ports_.push_back(std::make_unique<Port>(std::move(port), loop));
  queue_sizes_.assign(transmit_queue(ports_.size() - 1) + 1, 64);
  if (offers_ports()) queue_sizes_.resize(std::max<size_t>(queue_sizes_.size(), kControlTransmit + 1), 64);
  window_ = ports_[0]->size;
}

ConsolePorts::~ConsolePorts() { ConsolePorts::reset(); }

uint32_t ConsolePorts::id() const { return virtio::kIdConsole; }

bool ConsolePorts::offers_ports() const {
  return ports_.size() > 1 || ports_[0]->kind == PortKind::kPlain || !ports_[0]->name.empty();
}

uint64_t ConsolePorts::features() const { return kConsoleSize | (offers_ports() ? kConsoleMultiport : 0); }

void ConsolePorts::read_config(uint64_t offset, std::span<std::byte> out) const {
  WindowSize window = window_;
  ConfigSpace config{.columns = window.columns,
                     .rows = window.rows,
                     .most_ports = static_cast<uint32_t>(ports_.size()),
                     .emergency_write = uint32_t{0}};
  virtio::read_config_bytes(std::as_bytes(std::span(&config, 1)), offset, out);
}

void ConsolePorts::activate(virtio::Driver& driver) {
  driver_ = &driver;
  // A driver that knows nothing of ports has the first one.
  if (!has_ports()) ports_[0]->state.guest_open = true;
}

void ConsolePorts::reset() {
  for (auto& port : ports_) {
    port->input.unwatch();
    port->output.unwatch();
    for (auto& timer : port->again)
      if (timer) loop_.cancel(*std::exchange(timer, std::nullopt));
    port->room.reset();
    port->outgoing.reset();
    port->state = {.input_ended = port->state.input_ended, .output_gone = port->state.output_gone};
  }
  if (telling_) loop_.cancel(*std::exchange(telling_, std::nullopt));
  driver_ = nullptr;
  if (taken_) std::exchange(taken_, nullptr)();
}

bool ConsolePorts::has_ports() const { return (driver_->features() & kConsoleMultiport) != 0; }

Result<virtio::Kick> ConsolePorts::on_kick(unsigned index, virtio::Queue& queue) {
  if (index == kControlReceive || index == kControlTransmit) {
    auto kick = index == kControlTransmit ? TRY(take_control(queue)) : virtio::Kick::kDone;
    TRY(tell());
    return kick;
  }
  size_t number = index < kControlReceive ? 0 : index / 2 - 1;
  Progress progress = TRY(index % 2 == 0 ? receive(number) : transmit(number));
  return progress == Progress::kBudget ? virtio::Kick::kMore : virtio::Kick::kDone;
}

// --- To the guest ---

Result<ConsolePorts::Progress> ConsolePorts::receive(size_t number) {
  Port& port = *ports_[number];
  virtio::Queue& queue = driver_->queue(receive_queue(number));
  port.input.unwatch();
  for (int chain = 0; chain < kChainsPerTurn; ++chain) {
    if (!port.state.guest_open || port.state.input_ended) return Progress::kStalled;
    if (!port.room) port.room = TRY(queue.pop());
    if (!port.room) return Progress::kStalled;  // The next buffer comes with a kick.
    if (port.room->writable_size() == 0) return fail(ErrorCode::kGuest, "a receive buffer without room");
    auto [size, error] = port.input.read(pieces_of(port.room->writable));
    if (error == EAGAIN) {
      wait_for(number, Way::kToGuest);
      return Progress::kStalled;
    }
    if (size == 0) {
      end_input(port);
      return Progress::kStalled;
    }
    queue.push(std::exchange(port.room, std::nullopt)->head, static_cast<uint32_t>(size));
  }
  return Progress::kBudget;
}

void ConsolePorts::end_input(Port& port) {
  port.state.input_ended = true;
  port.input.close();
  tell_end(port);
}

void ConsolePorts::end_output(Port& port, int error) {
  log_.warning("console port {}: the host takes no more of it: {}", port.name, std::generic_category().message(error));
  port.state.output_gone = true;
  port.output.close();
  tell_end(port);
}

void ConsolePorts::tell_end(Port& port) {
  if (!has_ended(port)) return;
  port.state.untold |= bit(ConsoleEvent::kOpen);
  ask_to_tell();
}

// --- From the guest ---

Result<ConsolePorts::Progress> ConsolePorts::transmit(size_t number) {
  Port& port = *ports_[number];
  virtio::Queue& queue = driver_->queue(transmit_queue(number));
  port.output.unwatch();
  size_t bytes = 0;
  for (int chain = 0; chain < kChainsPerTurn && bytes < kBytesPerTurn; ++chain) {
    if (!port.outgoing && !TRY(take_outgoing(port, queue))) return Progress::kStalled;
    bytes += port.outgoing->readable_size();
    if (!send_outgoing(port, queue)) {
      wait_for(number, Way::kFromGuest);
      return Progress::kStalled;
    }
  }
  return Progress::kBudget;
}

Result<bool> ConsolePorts::take_outgoing(Port& port, virtio::Queue& queue) {
  port.outgoing = TRY(queue.pop());
  if (!port.outgoing) return false;
  port.state.outgoing_head = port.outgoing->head;
  port.state.outgoing_sent = 0;
  if (port.copy) copy_outgoing(port);
  return true;
}

void ConsolePorts::copy_outgoing(const Port& port) const {
  std::array<std::byte, kPiece> piece;
  size_t size = port.outgoing->readable_size();
  for (size_t done = 0; done < size;) {
    std::span<std::byte> part(piece.data(), std::min(kPiece, size - done));
    port.outgoing->copy_out(done, part);
    port.copy(part);
    done += part.size();
  }
}

// False: the host takes no more for now.
bool ConsolePorts::send_outgoing(Port& port, virtio::Queue& queue) {
  if (!port.state.output_gone) {
    auto pieces = pieces_of(port.outgoing->readable_from(port.state.outgoing_sent));
    std::span<iovec> rest = pieces;
    auto [size, error] = port.output.write(rest);
    port.state.outgoing_sent += size;
    if (error == EAGAIN) return false;
    if (error != 0) end_output(port, error);
  }
  queue.push(port.state.outgoing_head, 0);
  port.outgoing.reset();
  return true;
}

bool ConsolePorts::all_taken() const {
  return std::ranges::none_of(ports_, [](const auto& port) { return port->outgoing.has_value(); });
}

bool ConsolePorts::flush(std::function<void()> taken) {
  if (driver_ == nullptr) return true;
  for (size_t number = 0; number < ports_.size(); ++number) {
    for (int turn = 0; turn < kLastTurns; ++turn) {
      auto progress = transmit(number);
      if (!progress || *progress == Progress::kStalled) break;
    }
  }
  if (all_taken()) return true;
  taken_ = std::move(taken);
  return false;
}

// --- The host's descriptors ---

void ConsolePorts::wait_for(size_t number, Way way) {
  HostFile& file = way == Way::kToGuest ? ports_[number]->input : ports_[number]->output;
  auto watched = file.watch(way == Way::kToGuest ? EPOLLIN : EPOLLOUT, [this, number, way](uint32_t) {
    if (driver_ != nullptr) serve(number, way);
  });
  if (!watched) log_.warning("console port {}: {}", ports_[number]->name, watched.error().message());
}

void ConsolePorts::serve(size_t number, Way way) {
  auto progress = way == Way::kToGuest ? receive(number) : transmit(number);
  if (!progress) return faulted(std::move(progress).error());
  driver_->interrupt(way == Way::kToGuest ? receive_queue(number) : transmit_queue(number));
  if (*progress == Progress::kBudget) serve_again(number, way);
  if (taken_ && all_taken()) std::exchange(taken_, nullptr)();
}

void ConsolePorts::serve_again(size_t number, Way way) {
  auto& timer = ports_[number]->again[static_cast<size_t>(way)];
  if (timer) return;
  timer = loop_.at(EventLoop::Clock::now(), [this, number, way] {
    ports_[number]->again[static_cast<size_t>(way)].reset();
    if (driver_ != nullptr) serve(number, way);
  });
}

void ConsolePorts::faulted(Error error) {
  virtio::Driver* driver = std::exchange(driver_, nullptr);
  for (auto& port : ports_) {
    port->input.unwatch();
    port->output.unwatch();
  }
  driver->fault(std::move(error));
  if (taken_) std::exchange(taken_, nullptr)();
}

void ConsolePorts::follow_sizes() {
  for (auto& port : ports_) {
    if (!port->follows_size) continue;
    port->size = size_of(port->terminal);
    port->state.untold |= bit(ConsoleEvent::kResize);
  }
  window_ = ports_[0]->size;
  if (driver_ == nullptr) return;
  if (!has_ports()) return driver_->config_changed();
  ask_to_tell();
}

}  // namespace cloche
