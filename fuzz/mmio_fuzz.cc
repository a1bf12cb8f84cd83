// A guest that reads and writes the registers of a console as the fuzzer likes, with rings of its liking behind them.
#include <cstdlib>

#include "devices/console.h"
#include "input.h"
#include "virtio/mmio_transport.h"
#include "virtio/testing/fake_driver.h"

namespace cloche::virtio {
namespace {

constexpr int kMostSteps = 300;

struct NoIrq : IrqLine {
  void raise() override {}
};

class Guest {
 public:
  Guest(FakeMemory& memory, EventLoop& loop)
      : rings_{FakeRing(memory, 0, 64), FakeRing(memory, 1, 64)},
        transport_(MmioTransport::create({memory.guest(), loop, irq_, Log(), "fuzz"}, console_).value()) {}

  void step(FuzzInput& input) {
    switch (input.pick(8)) {
      case 0:
        return access(input);
      case 1:
        return write(input.pick(0x40) * 4, input.take<uint32_t>());
      case 2:
        return write(mmio::kStatus, 0xfu & input.take<uint8_t>());
      case 3:
        return negotiate(input.pick(16) == 0 ? input.take<uint64_t>() : kFeatureVersion1 | input.pick(8) << 28);
      case 4:
        return enable(input.pick(2));
      case 5:
        return write(mmio::kStatus, 15);
      case 6:
        return poke(input, rings_[input.pick(2)]);
      default:
        write(mmio::kQueueNotify, input.pick(3));
        transport_->serve_pending();
    }
  }

 private:
  void write(uint64_t offset, uint32_t value) { transport_->write(offset, std::as_bytes(std::span(&value, 1))); }
  void access(FuzzInput& input) {
    uint64_t offset = input.pick(MmioTransport::kSize);
    Bytes data(1u << input.pick(4), input.take<std::byte>());
    transport_->write(offset, data);
    transport_->read(offset, data);
  }
  void negotiate(uint64_t features) {
    for (uint32_t status : {0u, 1u, 3u}) write(mmio::kStatus, status);
    for (uint32_t half : {0u, 1u}) {
      write(mmio::kDriverFeaturesSel, half);
      write(mmio::kDriverFeatures, static_cast<uint32_t>(features >> (32 * half)));
    }
    write(mmio::kStatus, 11);
  }
  void enable(uint32_t index) {
    const QueueLayout& layout = rings_[index].layout();
    write(mmio::kQueueSel, index);
    write(mmio::kQueueNum, layout.size);
    write(mmio::kQueueDescLow, static_cast<uint32_t>(layout.descriptors.value));
    write(mmio::kQueueDriverLow, static_cast<uint32_t>(layout.driver_ring.value));
    write(mmio::kQueueDeviceLow, static_cast<uint32_t>(layout.device_ring.value));
    write(mmio::kQueueReady, 1);
  }
  static void poke(FuzzInput& input, FakeRing& ring) {
    auto index = static_cast<uint16_t>(input.pick(64));
    ring.describe(index, {.address = input.take<uint32_t>(),
                          .length = input.take<uint16_t>(),
                          .flags = input.take<uint8_t>(),
                          .next = input.take<uint8_t>()});
    if (input.pick(2) == 0) ring.publish(index);
    if (input.pick(16) == 0) ring.set_available_index(input.take<uint16_t>());
  }

  NoIrq irq_;
  Console console_{[](std::span<const std::byte>) {}};
  std::array<FakeRing, 2> rings_;
  std::unique_ptr<MmioTransport> transport_;
};

void run(FuzzInput input) {
  static FakeMemory memory;  // Mapping it anew for each run would be most of the run.
  static std::unique_ptr<EventLoop> loop = EventLoop::create().value();
  Guest guest(memory, *loop);
  for (int step = 0; step < kMostSteps && !input.empty(); ++step) guest.step(input);
}

}  // namespace
}  // namespace cloche::virtio

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cloche::virtio::run({data, size});
  return 0;
}
