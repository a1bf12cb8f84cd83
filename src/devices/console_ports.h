// virtio-console (virtio 1.2, section 5.3) with several ports (VIRTIO_CONSOLE_F_MULTIPORT): consoles of the guest
// (hvcN) and plain ports (/dev/vportNpM, by name in /sys/class/virtio-ports), each between the guest and descriptors of
// the host.
//
// What the guest writes stays in its queue while the host takes no more, and the host is not read while the guest has
// no buffer or has not opened the port. Control messages to the guest are kept as a few bits per port, however many the
// guest asks for. A console that is alone and has no name is offered without MULTIPORT: then the guest has it from the
// start.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/host_file.h"
#include "base/log.h"
#include "devices/console_message.h"
#include "virtio/device.h"

namespace cloche {

enum class PortKind : uint8_t {
  kConsole,  // The guest makes a terminal of it.
  kPlain,    // A stream of bytes.
};

struct WindowSize {
  uint16_t rows = 0;
  uint16_t columns = 0;
};

struct ConsolePort {
  std::string name{};  // Empty: it has none.
  PortKind kind = PortKind::kPlain;
  Fd input{};  // Either may be missing.
  Fd output{};
  // The input is a terminal of the host's: the guest's console has its size.
  bool follows_size = false;
  // Is told everything that the guest writes there, before `output` gets it, a few KiB at a time: bytes of ours, which
  // the guest cannot change any more. Loop thread; must not block.
  std::function<void(std::span<const std::byte>)> copy{};
};

class ConsolePorts final : public virtio::Device {
 public:
  static constexpr size_t kMostPorts = 32;
  static constexpr size_t kMostNameBytes = 64;  // Room in any buffer that a driver gives for control messages.

  // At least one port and at most kMostPorts, with names of at most kMostNameBytes. Loop thread, but for what
  // virtio::Device says.
  ConsolePorts(std::vector<ConsolePort> ports, EventLoop& loop, Log log);
  ~ConsolePorts() override;
  ConsolePorts(const ConsolePorts&) = delete;
  ConsolePorts& operator=(const ConsolePorts&) = delete;

  uint32_t id() const override;
  uint64_t features() const override;
  std::span<const uint16_t> queue_sizes() const override { return queue_sizes_; }
  void read_config(uint64_t offset, std::span<std::byte> out) const override;
  void activate(virtio::Driver& driver) override;
  void reset() override;
  Result<virtio::Kick> on_kick(unsigned index, virtio::Queue& queue) override;

  // Looks at the sizes of the host's terminals again, and tells the guest of them.
  void follow_sizes();
  // Moves what the guest has written before its end and the host has not taken yet, as far as it takes it at once.
  // False: there is more; `taken` is called when the host has taken it all, or the guest has no such device any more.
  bool flush(std::function<void()> taken);

  // The queues of a port, as section 5.3.2 counts them.
  static constexpr unsigned receive_queue(size_t port) { return static_cast<unsigned>(port == 0 ? 0 : 2 * port + 2); }
  static constexpr unsigned transmit_queue(size_t port) { return receive_queue(port) + 1; }
  static constexpr unsigned kControlReceive = 2;
  static constexpr unsigned kControlTransmit = 3;

  // All of a port that a snapshot has to hold.
  struct PortState {
    uint32_t untold = 0;         // Of the messages below, those that the guest is still to get: a bit each.
    bool guest_open = false;     // A program in the guest has it open.
    bool input_ended = false;    // The host will say nothing more.
    bool output_gone = false;    // The host takes nothing more; what the guest writes is dropped.
    uint16_t outgoing_head = 0;  // The chain that the host has not taken whole,
    size_t outgoing_sent = 0;    // and how much of it it has.
  };
  const PortState& state(size_t port) const { return ports_[port]->state; }

 private:
  struct Port {
    Port(ConsolePort from, EventLoop& loop);
    std::string name;
    PortKind kind;
    bool follows_size;
    Fd terminal;  // For its size.
    WindowSize size;
    bool input_was_given;
    HostFile input;
    HostFile output;
    std::function<void(std::span<const std::byte>)> copy;
    PortState state;
    std::optional<virtio::Chain> room{};      // A buffer of the guest's, taken for input that is not there yet.
    std::optional<virtio::Chain> outgoing{};  // Of state.outgoing_head.
    std::array<std::optional<EventLoop::TimerId>, 2> again{};  // To the guest, from the guest.
  };
  enum class Way : uint8_t { kToGuest, kFromGuest };
  enum class Progress : uint8_t { kBudget, kStalled };

  Result<Progress> receive(size_t number);
  Result<Progress> transmit(size_t number);
  Result<bool> take_outgoing(Port& port, virtio::Queue& queue);
  bool send_outgoing(Port& port, virtio::Queue& queue);
  void end_input(Port& port);
  void end_output(Port& port, int error);
  void tell_end(Port& port);
  static bool has_ended(const Port& port);
  void copy_outgoing(const Port& port) const;
  bool offers_ports() const;
  bool has_ports() const;
  bool all_taken() const;
  // console_control.cc
  Result<virtio::Kick> take_control(virtio::Queue& queue);
  void obey(uint32_t id, uint16_t event, uint16_t value);
  std::vector<std::byte> message_of(size_t number, ConsoleEvent event) const;
  Result<void> tell();
  Result<void> tell_into(virtio::Queue& queue);
  void ask_to_tell();
  void serve(size_t number, Way way);
  void serve_again(size_t number, Way way);
  void wait_for(size_t number, Way way);
  void faulted(Error error);

  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<uint16_t> queue_sizes_;
  EventLoop& loop_;
  Log log_;
  virtio::Driver* driver_ = nullptr;
  std::function<void()> taken_;
  std::optional<EventLoop::TimerId> telling_;
  std::atomic<WindowSize> window_{};  // Of the first port, for vCPU threads.
};

}  // namespace cloche
