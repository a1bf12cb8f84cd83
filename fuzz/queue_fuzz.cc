// A driver that writes what the fuzzer likes into the rings of one queue, between pops and pushes of the device.
#include <cstdlib>
#include <vector>

#include "input.h"
#include "virtio/testing/fake_driver.h"

namespace cloche::virtio {
namespace {

constexpr int kMostSteps = 200;

void require(bool holds) {
  if (!holds) std::abort();
}

// What pop() promises of every chain, whatever the rings hold.
void check(const Queue& queue, const Chain& chain, const FakeMemory& memory) {
  require(chain.head < queue.size());
  require(chain.readable_size() + chain.writable_size() <= Queue::kMaxChainBytes);
  require(chain.readable.size() + chain.writable.size() <= 2u * queue.size());
  auto all = memory.at({0}, FakeMemory::kSize);
  auto inside = [&](std::span<const std::byte> span) {
    return span.data() >= all.data() && span.data() + span.size() <= all.data() + all.size();
  };
  for (auto span : chain.readable) require(inside(span));
  for (auto span : chain.writable) require(inside(span));
}

void poke(FuzzInput& input, FakeRing& ring) {
  switch (input.pick(6)) {
    case 0:
    case 1: {
      auto index = static_cast<uint16_t>(input.pick(ring.layout().size));
      FakeDescriptor descriptor{.address = input.take<uint32_t>(),
                                .length = input.take<uint32_t>(),
                                .flags = input.take<uint8_t>(),
                                .next = input.take<uint16_t>()};
      if (input.pick(4) == 0) descriptor.address |= static_cast<uint64_t>(input.take<uint32_t>()) << 32;
      if (input.pick(4) == 0) descriptor.address = ring.layout().descriptors.value;
      return ring.describe(index, descriptor);
    }
    case 2:
    case 3:
      return ring.publish(static_cast<uint16_t>(input.pick(ring.layout().size + 1u)));
    case 4:
      return ring.set_available_index(input.take<uint16_t>());
    default:
      return ring.set_used_event(input.take<uint16_t>());
  }
}

void run(FuzzInput input) {
  static FakeMemory memory;  // Mapping it anew for each run would be most of the run.
  auto size = static_cast<uint16_t>(1u << input.pick(6));
  FakeRing ring(memory, 0, size);
  Queue::Features features{.indirect = input.pick(4) != 0, .event_index = input.pick(2) != 0};
  Queue queue = Queue::create(memory.guest(), ring.layout(), size, features).value();
  std::vector<uint16_t> flying;
  for (int step = 0; step < kMostSteps && !input.empty(); ++step) {
    poke(input, ring);
    if (input.pick(3) != 0) {
      auto chain = queue.pop();
      if (!chain) return require(chain.error().code == ErrorCode::kGuest);
      if (!*chain) continue;
      check(queue, **chain, memory);
      flying.push_back((*chain)->head);
    }
    if (!flying.empty() && input.pick(2) == 0) {
      queue.push(flying.back(), input.take<uint32_t>());
      flying.pop_back();
      queue.take_interrupt();
    }
    require(queue.in_flight() == flying.size());
  }
}

}  // namespace
}  // namespace cloche::virtio

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cloche::virtio::run({data, size});
  return 0;
}
