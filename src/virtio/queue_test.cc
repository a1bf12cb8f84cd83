#include "virtio/queue.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <random>

#include "virtio/testing/fake_driver.h"

namespace cloche::virtio {
namespace {

constexpr uint16_t kSize = 8;
constexpr Queue::Features kAll{.indirect = true, .event_index = true};
constexpr Queue::Features kNone{};

// A queue and the driver's side of it.
struct Rig {
  explicit Rig(Queue::Features features = kNone, uint16_t size = kSize)
      : ring(memory, 0, size), queue(Queue::create(memory.guest(), ring.layout(), size, features).value()) {}

  // The next chain; fails the test where there is none.
  Chain pop() {
    auto chain = queue.pop();
    EXPECT_TRUE(chain.has_value() && chain->has_value());
    return chain && *chain ? **chain : Chain{};
  }
  bool empty() {
    auto chain = queue.pop();
    return chain.has_value() && !chain->has_value();
  }
  bool faults() {
    auto chain = queue.pop();
    return !chain.has_value() && chain.error().code == ErrorCode::kGuest;
  }
  // Makes `descriptors` available from number 0.
  void poke(std::initializer_list<FakeDescriptor> descriptors) {
    uint16_t index = 0;
    for (const FakeDescriptor& descriptor : descriptors) ring.describe(index++, descriptor);
    ring.publish(0);
  }
  // Writes a table of descriptors into a buffer.
  uint64_t table(std::initializer_list<FakeDescriptor> descriptors) {
    Bytes bytes;
    for (const FakeDescriptor& descriptor : descriptors) {
      auto raw = FakeRing::encode(descriptor);
      bytes.insert(bytes.end(), raw.begin(), raw.end());
    }
    return memory.place(bytes).value;
  }

  FakeMemory memory;
  FakeRing ring;
  Queue queue;
};

Bytes pattern(size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = std::byte(i * 7 + 1);
  return bytes;
}

constexpr uint64_t kBuffer =
    FakeMemory::kBuffers + (1 << 20);  // Somewhere that allocate() does not reach in these tests.

TEST(Queue, NotReadyYieldsNothing) {
  Queue queue;
  EXPECT_FALSE(queue.ready());
  EXPECT_FALSE(queue.pop().value().has_value());
  EXPECT_FALSE(queue.has_available());
  EXPECT_FALSE(queue.take_interrupt());
}

TEST(Queue, CarriesARequestAndItsReply) {
  for (bool indirect : {false, true}) {
    Rig rig(kAll);
    EXPECT_TRUE(rig.empty());
    rig.ring.add({.readable = {pattern(5), pattern(3)}, .writable = {2, 4}, .indirect = indirect});
    EXPECT_TRUE(rig.queue.has_available());
    Chain chain = rig.pop();
    EXPECT_EQ(chain.readable_size(), 8u);
    EXPECT_EQ(chain.writable_size(), 6u);
    EXPECT_EQ(rig.queue.in_flight(), 1u);
    ASSERT_TRUE(chain.copy_in(1, pattern(5)));
    rig.queue.push(chain.head, 6);
    EXPECT_EQ(rig.queue.in_flight(), 0u);
    auto reply = rig.ring.take_reply();
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->used, 6u);
    EXPECT_EQ(Bytes(reply->bytes.begin() + 1, reply->bytes.end()), pattern(5));
    EXPECT_FALSE(rig.queue.has_available());
    EXPECT_EQ(rig.ring.free_descriptors(), kSize);
  }
}

TEST(Queue, IndexWrapsRoundTheRingAndThe16Bits) {
  Rig rig(kAll, 4);
  rig.ring.describe(2, {.address = kBuffer, .length = 1});
  for (unsigned i = 0; i < 66'000; ++i) {
    rig.ring.publish(2);
    auto chain = rig.queue.pop();
    ASSERT_TRUE(chain && *chain);
    rig.queue.push((*chain)->head, i);
    ASSERT_EQ(rig.ring.used(static_cast<uint16_t>(i)).length, i);
  }
  EXPECT_TRUE(rig.empty());
  EXPECT_EQ(rig.queue.state().next_used, 66'000 % 65'536);
}

TEST(Queue, CompletesOutOfOrder) {
  Rig rig;
  std::vector<uint16_t> heads;
  for (int i = 0; i < 3; ++i) rig.ring.add({.readable = {}, .writable = {4}});
  for (int i = 0; i < 3; ++i) heads.push_back(rig.pop().head);
  for (int i : {1, 2, 0}) rig.queue.push(heads[i], 0);
  for (int i : {1, 2, 0}) EXPECT_EQ(rig.ring.take_reply()->head, heads[i]);
}

TEST(Queue, LargestSizeWorks) {
  Rig rig(kAll, kMaxQueueSize);
  rig.ring.set_available_index(0);
  for (unsigned i = 0; i < kMaxQueueSize; ++i) rig.ring.add({.readable = {}, .writable = {}});
  for (unsigned i = 0; i < kMaxQueueSize; ++i) ASSERT_TRUE(rig.queue.pop().value());
  EXPECT_EQ(rig.queue.in_flight(), kMaxQueueSize);
  EXPECT_TRUE(rig.empty());
}

// Trap 1.
TEST(Queue, ChainAsLongAsTheQueueIsFine) {
  Rig rig;
  rig.ring.add({.readable = std::vector<Bytes>(4, pattern(1)), .writable = {1, 1, 1, 1}});
  EXPECT_EQ(rig.pop().writable.size(), 4u);
}

TEST(Queue, CycleFaults) {
  Rig rig;
  rig.poke({{.address = kBuffer, .length = 1, .flags = kDescNext, .next = 1},
            {.address = kBuffer, .length = 1, .flags = kDescNext, .next = 0}});
  EXPECT_TRUE(rig.faults());
  Rig self;
  self.poke({{.address = kBuffer, .length = 0, .flags = kDescNext, .next = 0}});
  EXPECT_TRUE(self.faults());
}

// Trap 2.
TEST(Queue, AvailableIndexThatJumpsFaults) {
  Rig rig;
  rig.ring.set_available_index(kSize + 1);
  EXPECT_TRUE(rig.queue.has_available());
  EXPECT_TRUE(rig.faults());
  rig.ring.set_available_index(0xffff);  // Backwards is a jump as well.
  EXPECT_TRUE(rig.faults());
}

TEST(Queue, AvailableIndexThatJumpsDuringTheSecondLookFaults) {
  Rig rig(kAll);
  EXPECT_TRUE(rig.empty());
  rig.ring.set_available_index(kSize + 1);
  EXPECT_TRUE(rig.faults());
}

// Trap 4.
TEST(Queue, HeadInFlightTwiceFaults) {
  Rig rig;
  rig.ring.describe(3, {.address = kBuffer, .length = 4});
  rig.ring.publish(3);
  rig.ring.publish(3);
  EXPECT_EQ(rig.pop().head, 3);
  EXPECT_TRUE(rig.faults());
  rig.queue.push(3, 0);
  EXPECT_EQ(rig.pop().head, 3);
}

TEST(Queue, WildHeadFaults) {
  for (uint16_t head : {kSize, uint16_t{0x7fff}, uint16_t{0xffff}}) {
    Rig rig;
    rig.ring.publish(head);
    EXPECT_TRUE(rig.faults());
  }
}

TEST(Queue, WildNextFaults) {
  Rig rig;
  rig.poke({{.address = kBuffer, .length = 1, .flags = kDescNext, .next = kSize}});
  EXPECT_TRUE(rig.faults());
}

// Trap 6.
TEST(Queue, BufferOutsideMemoryFaults) {
  struct Case {
    uint64_t address;
    uint32_t length;
  };
  for (Case each : {Case{FakeMemory::kSize, 1}, {FakeMemory::kSize - 1, 2}, {~0ull, 1}, {~0ull, 2}, {1ull << 63, 16}}) {
    Rig rig;
    rig.poke({{.address = each.address, .length = each.length}});
    EXPECT_TRUE(rig.faults()) << each.address;
  }
  Rig rig;
  rig.poke({{.address = FakeMemory::kSize - 2, .length = 2}});
  EXPECT_EQ(rig.pop().readable_size(), 2u);
}

// A file of one page mapped as two, where a device's shared memory is: an access to the second one fails.
class Window {
 public:
  static constexpr size_t kPage = 4096;
  Window() : fd_(::memfd_create("window", MFD_CLOEXEC)) {
    EXPECT_EQ(::ftruncate(fd_, kPage), 0);
    void* mapped = ::mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    EXPECT_NE(mapped, MAP_FAILED);
    bytes = {static_cast<std::byte*>(mapped), 2 * kPage};
  }
  ~Window() {
    ::munmap(bytes.data(), bytes.size());
    ::close(fd_);
  }
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;
  std::span<std::byte> bytes;

 private:
  int fd_;
};

TEST(Queue, BufferInSharedMemoryFaultsUnlessTheDeviceTakesThem) {
  Window window;
  Rig rig;
  uint64_t address = rig.memory.add_window(window.bytes).value;
  rig.poke({{.address = address, .length = 8}});
  EXPECT_TRUE(rig.faults());
}

TEST(Queue, BuffersInSharedMemoryAreCopiedOrRefused) {
  Window window;
  Rig rig({.shared_buffers = true});
  uint64_t address = rig.memory.add_window(window.bytes).value;
  window.bytes[5] = std::byte{7};
  uint16_t flags = kDescNext, last = kDescWrite;
  rig.poke({{.address = address, .length = 8, .flags = flags, .next = 1},
            {.address = address + Window::kPage, .length = 8, .flags = flags, .next = 2},
            {.address = address + 16, .length = 8, .flags = static_cast<uint16_t>(last | flags), .next = 3},
            {.address = address + Window::kPage, .length = 8, .flags = last}});
  Chain chain = rig.pop();
  EXPECT_TRUE(chain.in_window);
  Bytes out(8), in = pattern(8);
  EXPECT_TRUE(chain.copy_out(0, out));
  EXPECT_EQ(out[5], std::byte{7});
  EXPECT_FALSE(chain.copy_out(8, out)) << "there is no file";
  EXPECT_TRUE(chain.copy_in(0, in));
  EXPECT_TRUE(std::ranges::equal(in, window.bytes.subspan(16, 8)));
  EXPECT_FALSE(chain.copy_in(8, in));
}

TEST(Queue, BufferAcrossTheEndOfSharedMemoryFaults) {
  Window window;
  Rig rig({.shared_buffers = true});
  uint64_t address = rig.memory.add_window(window.bytes).value;
  rig.poke({{.address = address + 2 * Window::kPage - 4, .length = 8}});
  EXPECT_TRUE(rig.faults());
}

TEST(Queue, SumOfBytesIsCapped) {
  constexpr uint32_t kHalf = Queue::kMaxChainBytes / 2;
  Rig rig;
  rig.poke({{.address = kBuffer, .length = kHalf, .flags = kDescNext, .next = 1},
            {.address = kBuffer, .length = kHalf, .flags = kDescWrite}});
  EXPECT_EQ(rig.pop().readable_size(), kHalf);
  Rig over;
  over.poke({{.address = kBuffer, .length = kHalf, .flags = kDescNext, .next = 1},
             {.address = kBuffer, .length = kHalf + 1, .flags = kDescWrite}});
  EXPECT_TRUE(over.faults());
  Rig wrap;
  wrap.poke({{.address = 0, .length = UINT32_MAX, .flags = kDescNext, .next = 1}, {.address = 0, .length = 2}});
  EXPECT_TRUE(wrap.faults());
}

TEST(Queue, ZeroLengthBuffersAreFineAnywhere) {
  Rig rig;
  rig.poke({{.address = ~0ull, .length = 0, .flags = kDescNext, .next = 1},
            {.address = kBuffer, .length = 3, .flags = kDescNext, .next = 2},
            {.address = 1ull << 40, .length = 0, .flags = kDescWrite}});
  Chain chain = rig.pop();
  EXPECT_EQ(chain.readable_size(), 3u);
  EXPECT_EQ(chain.writable_size(), 0u);
}

// Trap 7.
TEST(Queue, IndirectTableMayLieAtAnOddAddress) {
  Rig rig(kAll);
  auto raw = FakeRing::encode({.address = kBuffer, .length = 7});
  std::ranges::copy(raw, rig.memory.at({kBuffer + 101}, raw.size()).begin());
  rig.poke({{.address = kBuffer + 101, .length = 16, .flags = kDescIndirect}});
  EXPECT_EQ(rig.pop().readable_size(), 7u);
}

TEST(Queue, IndirectAfterDirectIsFine) {
  Rig rig(kAll);
  uint64_t table = rig.table({{.address = kBuffer, .length = 2, .flags = kDescWrite}});
  // The write flag of the descriptor that refers to a table is ignored.
  rig.poke({{.address = kBuffer, .length = 1, .flags = kDescNext, .next = 1},
            {.address = table, .length = 16, .flags = kDescIndirect | kDescWrite}});
  Chain chain = rig.pop();
  EXPECT_EQ(chain.readable_size(), 1u);
  EXPECT_EQ(chain.writable_size(), 2u);
}

TEST(Queue, NestedIndirectFaults) {
  Rig rig(kAll);
  uint64_t table = rig.table({{.address = kBuffer, .length = 16, .flags = kDescIndirect}});
  rig.poke({{.address = table, .length = 16, .flags = kDescIndirect}});
  EXPECT_TRUE(rig.faults());
}

TEST(Queue, IndirectThatPointsAtItselfFaults) {
  Rig rig(kAll);
  rig.poke({{.address = rig.ring.layout().descriptors.value, .length = 16, .flags = kDescIndirect}});
  EXPECT_TRUE(rig.faults());
}

TEST(Queue, IndirectTableOfOddLengthFaults) {
  for (uint32_t length : {0u, 1u, 15u, 17u, 31u, 0xffff'fff1u}) {
    Rig rig(kAll);
    rig.poke({{.address = kBuffer, .length = length, .flags = kDescIndirect}});
    EXPECT_TRUE(rig.faults()) << length;
  }
}

TEST(Queue, IndirectTableOutsideMemoryFaults) {
  Rig rig(kAll);
  rig.poke({{.address = FakeMemory::kSize - 16, .length = 32, .flags = kDescIndirect}});
  EXPECT_TRUE(rig.faults());
}

TEST(Queue, IndirectNextBeyondTheTableFaults) {
  Rig rig(kAll);
  uint64_t table = rig.table({{.address = kBuffer, .length = 1, .flags = kDescNext, .next = 1}});
  rig.poke({{.address = table, .length = 16, .flags = kDescIndirect}});
  EXPECT_TRUE(rig.faults());
}

TEST(Queue, IndirectCycleFaults) {
  Rig rig(kAll);
  uint64_t table = rig.table({{.address = kBuffer, .length = 1, .flags = kDescNext, .next = 1},
                              {.address = kBuffer, .length = 1, .flags = kDescNext, .next = 0}});
  rig.poke({{.address = table, .length = 32, .flags = kDescIndirect}});
  EXPECT_TRUE(rig.faults());
}

TEST(Queue, IndirectThatContinuesFaults) {
  Rig rig(kAll);
  uint64_t table = rig.table({{.address = kBuffer, .length = 1}});
  rig.poke({{.address = table, .length = 16, .flags = kDescIndirect | kDescNext, .next = 1},
            {.address = kBuffer, .length = 1}});
  EXPECT_TRUE(rig.faults());
}

TEST(Queue, IndirectChainIsAtMostTheQueueSize) {
  Rig rig(kAll);
  rig.ring.add({.readable = std::vector<Bytes>(kSize, pattern(1)), .writable = {}, .indirect = true});
  EXPECT_EQ(rig.pop().readable.size(), kSize);
  rig.ring.add({.readable = std::vector<Bytes>(kSize + 1, pattern(1)), .writable = {}, .indirect = true});
  EXPECT_TRUE(rig.faults());
}

TEST(Queue, IndirectTableMayBeLargerThanItsChain) {
  Rig rig(kAll);
  rig.ring.describe(0, {.address = rig.memory.place(Bytes(16 * 100)).value, .length = 1600, .flags = kDescIndirect});
  rig.ring.publish(0);
  EXPECT_EQ(rig.pop().readable_size(), 0u);
}

// Trap 8.
TEST(Queue, IndirectThatWasNotNegotiatedFaults) {
  Rig rig({.indirect = false, .event_index = true});
  uint64_t table = rig.table({{.address = kBuffer, .length = 1}});
  rig.poke({{.address = table, .length = 16, .flags = kDescIndirect}});
  EXPECT_TRUE(rig.faults());
}

TEST(Queue, EventIndexThatWasNotNegotiatedIsNotTouched) {
  Rig rig({.indirect = true, .event_index = false});
  rig.ring.add({.readable = {}, .writable = {}});
  rig.queue.push(rig.pop().head, 0);
  EXPECT_TRUE(rig.empty());
  EXPECT_EQ(rig.ring.available_event(), 0);
}

// Trap 9.
TEST(Queue, ReadableAfterWritableFaults) {
  for (uint32_t length : {0u, 1u}) {
    Rig rig;
    rig.poke({{.address = kBuffer, .length = length, .flags = kDescWrite | kDescNext, .next = 1},
              {.address = kBuffer, .length = 1}});
    EXPECT_TRUE(rig.faults());
  }
}

// Trap 10: what the driver changes after pop() changes nothing.
TEST(Queue, DescriptorsAreReadOnce) {
  Rig rig;
  rig.poke({{.address = kBuffer, .length = 4}});
  Chain chain = rig.pop();
  rig.poke({{.address = ~0ull, .length = ~0u, .flags = kDescNext, .next = 0}});
  EXPECT_EQ(chain.readable_size(), 4u);
  EXPECT_EQ(chain.readable[0].data(), rig.memory.at({kBuffer}, 4).data());
}

// Traps 11, 13.
TEST(QueueCreate, RefusesSizes) {
  FakeMemory memory;
  for (uint16_t size : std::array<uint16_t, 8>{0, 3, 5, 7, 65, 128, 0x8001, 0xffff}) {
    QueueLayout layout = FakeRing(memory, 0, 8).layout();
    layout.size = size;
    EXPECT_FALSE(Queue::create(memory.guest(), layout, 64, kAll)) << size;
  }
  for (uint16_t size : std::array<uint16_t, 3>{1, 2, 64}) {
    QueueLayout layout = FakeRing(memory, 0, size).layout();
    EXPECT_TRUE(Queue::create(memory.guest(), layout, 64, kAll)) << size;
  }
}

TEST(QueueCreate, RefusesAlignment) {
  FakeMemory memory;
  const QueueLayout good = FakeRing(memory, 0, 8).layout();
  for (uint64_t off : {1, 2, 4, 8}) {
    QueueLayout layout = good;
    layout.descriptors.value += off;
    EXPECT_FALSE(Queue::create(memory.guest(), layout, 8, kAll));
  }
  QueueLayout layout = good;
  layout.driver_ring.value += 1;
  EXPECT_FALSE(Queue::create(memory.guest(), layout, 8, kAll));
  layout = good;
  layout.device_ring.value += 2;
  EXPECT_FALSE(Queue::create(memory.guest(), layout, 8, kAll));
  layout = good;
  layout.driver_ring.value += 2;
  layout.device_ring.value += 4;
  EXPECT_TRUE(Queue::create(memory.guest(), layout, 8, kAll));
}

TEST(QueueCreate, RefusesRingsOutsideMemory) {
  FakeMemory memory;
  const QueueLayout good = FakeRing(memory, 0, 8).layout();
  for (uint64_t address : std::array<uint64_t, 4>{FakeMemory::kSize, FakeMemory::kSize - 16, ~0ull - 15, 1ull << 62}) {
    for (GuestAddr QueueLayout::* part :
         {&QueueLayout::descriptors, &QueueLayout::driver_ring, &QueueLayout::device_ring}) {
      QueueLayout layout = good;
      (layout.*part).value = address;
      EXPECT_FALSE(Queue::create(memory.guest(), layout, 8, kAll)) << address;
    }
  }
}

TEST(QueueCreate, RefusesOverlap) {
  FakeMemory memory;
  // Descriptors take 128 bytes, the driver's ring 22, the device's 70.
  auto make = [&](uint64_t descriptors, uint64_t driver, uint64_t device) {
    return Queue::create(memory.guest(), {8, {descriptors}, {driver}, {device}}, 8, kAll).has_value();
  };
  EXPECT_TRUE(make(0, 128, 152));
  EXPECT_FALSE(make(0, 126, 152));
  EXPECT_FALSE(make(0, 128, 148));
  EXPECT_FALSE(make(0, 512, 124));
  EXPECT_FALSE(make(0, 0, 0));
  EXPECT_FALSE(make(1024, 4096, 1000));
}

// Trap 14 and section 2.7.10.
TEST(Queue, EventIndexAsksForTheNextKickOnlyWhenEmpty) {
  Rig rig(kAll);
  rig.ring.add({.readable = {}, .writable = {}});
  EXPECT_TRUE(rig.ring.take_kick_wanted());  // The device's event index starts at 0.
  rig.pop();
  rig.ring.add({.readable = {}, .writable = {}});
  EXPECT_FALSE(rig.ring.take_kick_wanted());  // Still busy.
  rig.pop();
  EXPECT_TRUE(rig.empty());
  EXPECT_EQ(rig.ring.available_event(), 2);
  rig.ring.add({.readable = {}, .writable = {}});
  EXPECT_TRUE(rig.ring.take_kick_wanted());
}

TEST(Queue, InterruptsWithoutEventIndexUnlessAskedNotTo) {
  Rig rig;
  EXPECT_FALSE(rig.queue.take_interrupt());
  for (bool off : {false, true}) {
    rig.ring.set_no_interrupt(off);
    rig.ring.add({.readable = {}, .writable = {}});
    rig.queue.push(rig.pop().head, 0);
    EXPECT_EQ(rig.queue.take_interrupt(), !off);
    EXPECT_FALSE(rig.queue.take_interrupt());
  }
}

TEST(Queue, InterruptsWhenTheUsedIndexPassesTheEvent) {
  Rig rig(kAll);
  auto push = [&](int count) {
    for (int i = 0; i < count; ++i) {
      rig.ring.add({.readable = {}, .writable = {}});
      rig.queue.push(rig.pop().head, 0);
      EXPECT_TRUE(rig.ring.used_index() != 0);
    }
    return rig.queue.take_interrupt();
  };
  EXPECT_TRUE(push(1));  // Event 0: the first.
  EXPECT_FALSE(push(1));
  rig.ring.set_used_event(4);
  EXPECT_FALSE(push(2));
  EXPECT_TRUE(push(1));
  rig.ring.set_used_event(7);
  while (rig.ring.take_reply()) {
  }
  rig.ring.set_used_event(7);
  EXPECT_TRUE(push(4));
}

TEST(Chain, CopiesAcrossBuffers) {
  Rig rig(kAll, 64);
  Bytes data = pattern(30);
  FakeRequest request;
  for (size_t at = 0, size = 1; at < data.size(); at += size, ++size)
    request.readable.emplace_back(data.begin() + at, data.begin() + std::min(at + size, data.size()));
  request.writable = {1, 2, 3, 4};
  rig.ring.add(request);
  Chain chain = rig.pop();
  ASSERT_EQ(chain.readable_size(), data.size());
  for (size_t offset = 0; offset <= data.size(); ++offset) {
    for (size_t size = 0; offset + size <= data.size(); ++size) {
      Bytes out(size);
      ASSERT_TRUE(chain.copy_out(offset, out));
      ASSERT_TRUE(std::equal(out.begin(), out.end(), data.begin() + offset));
      size_t sliced = 0;
      for (auto span : chain.readable_from(offset, size)) sliced += span.size();
      ASSERT_EQ(sliced, size);
    }
    Bytes out(data.size() - offset + 1);
    ASSERT_FALSE(chain.copy_out(offset, out));
  }
  EXPECT_TRUE(chain.copy_in(3, pattern(7)));
  EXPECT_FALSE(chain.copy_in(4, pattern(7)));
  EXPECT_FALSE(chain.copy_in(SIZE_MAX, pattern(2)));
  EXPECT_TRUE(chain.readable_from(30).empty());
  EXPECT_TRUE(chain.readable_from(SIZE_MAX).empty());
  EXPECT_EQ(chain.writable_from(2, 5).size(), 3u);
  EXPECT_EQ(chain.writable_from(3).size(), 2u);
}

// A driver that writes anything anywhere: each pop() ends, and with a chain inside memory and the limits, or as a guest
// fault.
TEST(Queue, SurvivesARandomDriver) {
  std::mt19937_64 random(20240607);
  auto pick = [&](uint64_t below) { return random() % below; };
  for (int round = 0; round < 3000; ++round) {
    Rig rig({.indirect = pick(4) != 0, .event_index = pick(2) != 0}, static_cast<uint16_t>(1u << pick(5)));
    uint16_t size = rig.queue.size();
    for (int step = 0; step < 40; ++step) {
      FakeDescriptor descriptor{.address = pick(3) == 0 ? random() : pick(FakeMemory::kSize),
                                .length = static_cast<uint32_t>(pick(2) == 0 ? pick(4096) & ~15ull : random()),
                                .flags = static_cast<uint16_t>(pick(8)),
                                .next = static_cast<uint16_t>(pick(size + 1u))};
      if (pick(4) == 0) descriptor.address = rig.ring.layout().descriptors.value;
      rig.ring.describe(static_cast<uint16_t>(pick(size)), descriptor);
      rig.ring.set_available_entry(static_cast<uint16_t>(pick(size)), static_cast<uint16_t>(pick(size + 1u)));
      if (pick(4) != 0) rig.ring.publish(static_cast<uint16_t>(pick(size)));
      if (pick(50) == 0) rig.ring.set_available_index(static_cast<uint16_t>(random()));
      rig.ring.set_used_event(static_cast<uint16_t>(random()));
      auto chain = rig.queue.pop();
      if (!chain) {
        ASSERT_EQ(chain.error().code, ErrorCode::kGuest);
        break;
      }
      if (!*chain) continue;
      ASSERT_LE((*chain)->readable_size() + (*chain)->writable_size(), Queue::kMaxChainBytes);
      ASSERT_LE((*chain)->readable.size() + (*chain)->writable.size(), 2u * size);
      if (pick(3) != 0) rig.queue.push((*chain)->head, static_cast<uint32_t>((*chain)->writable_size()));
      rig.queue.take_interrupt();
    }
  }
}

}  // namespace
}  // namespace cloche::virtio
