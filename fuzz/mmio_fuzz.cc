// A guest that reads and writes the registers of a console with ports as the fuzzer likes, with rings of its liking
// behind them.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>

#include "devices/console_ports.h"
#include "input.h"
#include "virtio/testing/fake_driver.h"
#include "virtio/testing/mmio_registers.h"

namespace cloche::virtio {
namespace {

constexpr int kMostSteps = 300;
constexpr unsigned kQueues = ConsolePorts::transmit_queue(2) + 1;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

struct NoIrq : IrqLine {
  void raise() override {}
};

// A terminal, a stream both ways that never ends, and one whose ends are gone.
std::vector<ConsolePort> ports() {
  std::vector<ConsolePort> all(3);
  all[0] = {.kind = PortKind::kConsole, .copy = [](std::span<const std::byte>) {}};
  all[1] = {.name = "data",
            .input = open_file("/dev/zero", O_RDONLY).value(),
            .output = open_file("/dev/null", O_WRONLY).value()};
  int ends[2];
  require(::pipe2(ends, O_CLOEXEC) == 0);
  ::close(ends[0]);
  all[2] = {.name = "gone", .input = open_file("/dev/null", O_RDONLY).value(), .output = Fd(ends[1])};
  return all;
}

template <size_t... kIndexes>
std::array<FakeRing, sizeof...(kIndexes)> make_rings(FakeMemory& memory, std::index_sequence<kIndexes...> indexes) {
  static_cast<void>(indexes);
  return {FakeRing(memory, kIndexes, 64)...};
}

class Guest {
 public:
  Guest(FakeMemory& memory, EventLoop& loop)
      : memory_(memory),
        loop_(loop),
        console_(ports(), loop, Log()),
        rings_(make_rings(memory, std::make_index_sequence<kQueues>())),
        transport_(MmioTransport::create({memory.guest(), loop, irq_, Log(), "fuzz"}, console_).value()) {}

  void step(FuzzInput& input) {
    switch (input.pick(10)) {
      case 0:
        return access(input);
      case 1:
        return write(input.pick(0x40) * 4, input.take<uint32_t>());
      case 2:
        return write(mmio::kStatus, 0xfu & input.take<uint8_t>());
      case 3:
        return negotiate(input.pick(16) == 0 ? input.take<uint64_t>() : kFeatureVersion1 | input.pick(8) << 28);
      case 4:
        return enable(input.pick(kQueues));
      case 5:
        return write(mmio::kStatus, 15);
      case 6:
        return poke(input, rings_[input.pick(kQueues)]);
      case 7:
        return turn();
      case 8:
        return say(input);
      default:
        write(mmio::kQueueNotify, input.pick(kQueues + 1));
        transport_->serve_pending();
    }
  }

 private:
  void write(uint64_t offset, uint32_t value) { write_register(*transport_, offset, value); }
  void access(FuzzInput& input) {
    uint64_t offset = input.pick(MmioTransport::kSize);
    Bytes data(1u << input.pick(4), input.take<std::byte>());
    transport_->write(offset, data);
    transport_->read(offset, data);
  }
  void negotiate(uint64_t features) {
    for (uint32_t status : {0u, 1u, 3u}) write(mmio::kStatus, status);
    write_features(*transport_, features);
    write(mmio::kStatus, 11);
  }
  void enable(uint32_t index) { set_queue(*transport_, index, rings_[index].layout()); }
  void turn() {
    loop_.at(EventLoop::Clock::now(), [this] { loop_.post([this] { loop_.stop(); }); });
    require(loop_.run().has_value());
  }
  // A control message as it should be, so that the fuzzer gets beyond the checks.
  void say(FuzzInput& input) {
    auto index = static_cast<uint16_t>(input.pick(64));
    Bytes message = bytes_of(ConsoleControl{.port = input.pick(4),
                                            .event = static_cast<uint16_t>(input.pick(9)),
                                            .value = static_cast<uint16_t>(input.pick(3))});
    GuestAddr place{FakeMemory::kBuffers + index * message.size()};
    std::ranges::copy(message, memory_.at(place, message.size()).begin());
    FakeRing& ring = rings_[ConsolePorts::kControlTransmit];
    ring.describe(index, {.address = place.value, .length = static_cast<uint32_t>(message.size())});
    ring.publish(index);
  }
  // Mostly a buffer that there is.
  static void poke(FuzzInput& input, FakeRing& ring) {
    auto index = static_cast<uint16_t>(input.pick(64));
    bool any = input.pick(8) == 0;
    uint64_t address = any ? input.take<uint32_t>() : FakeMemory::kBuffers + input.take<uint16_t>();
    ring.describe(index, {.address = address,
                          .length = input.take<uint16_t>(),
                          .flags = static_cast<uint16_t>(any ? input.take<uint8_t>() : input.pick(4)),
                          .next = static_cast<uint16_t>(any ? input.take<uint8_t>() : input.pick(64))});
    if (input.pick(2) == 0) ring.publish(index);
    if (input.pick(16) == 0) ring.set_available_index(input.take<uint16_t>());
  }

  NoIrq irq_;
  FakeMemory& memory_;
  EventLoop& loop_;
  ConsolePorts console_;
  std::array<FakeRing, kQueues> rings_;
  std::unique_ptr<MmioTransport> transport_;
};

void run(FuzzInput input) {
  static FakeMemory memory;  // Mapping it anew for each run would be most of the run.
  static std::unique_ptr<EventLoop> loop = [] {
    ::signal(SIGPIPE, SIG_IGN);
    return EventLoop::create().value();
  }();
  Guest guest(memory, *loop);
  for (int step = 0; step < kMostSteps && !input.empty(); ++step) guest.step(input);
}

}  // namespace
}  // namespace cloche::virtio

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cloche::virtio::run({data, size});
  return 0;
}
