#include "virtio/mmio_transport.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>

#include "virtio/testing/fake_driver.h"
#include "virtio/testing/mmio_registers.h"

namespace cloche::virtio {
namespace {

constexpr uint64_t kDeviceFeature = 1ull << 5;
constexpr uint64_t kOffered = kDeviceFeature | kRingFeatures;
constexpr uint32_t kConfigured = kStatusAcknowledge | kStatusDriver | kStatusFeaturesOk;

// Echoes chains and records what happens to it.
class Echo : public Device {
 public:
  uint32_t id() const override { return 42; }
  uint64_t features() const override { return kDeviceFeature; }
  std::span<const uint16_t> queue_sizes() const override { return kSizes; }
  void read_config(uint64_t offset, std::span<std::byte> out) const override {
    read_config_bytes(std::as_bytes(std::span(kConfig)), offset, out);
  }
  void write_config(uint64_t offset, std::span<const std::byte>) override { last_config_write = offset; }
  std::span<std::byte> shared_memory() const override { return window; }
  void activate(Driver& given) override {
    driver = &given;
    ++activations;
    if (fault_on_activate) given.fault(Error{ErrorCode::kGuest, 0, "told to"});
  }
  void reset() override {
    driver = nullptr;
    ++resets;
  }
  Result<Kick> on_kick(unsigned index, Queue& queue) override {
    ++kicks[index];
    if (host_failure) return fail(ErrorCode::kHost, "the host is tired");
    auto chain = TRY(queue.pop());
    if (!chain) return Kick::kDone;
    queue.push(chain->head, 0);
    return Kick::kMore;  // A budget of one.
  }

  static constexpr std::array<uint16_t, 2> kSizes{16, 8};
  static constexpr std::array<uint8_t, 5> kConfig{1, 2, 3, 4, 5};
  Driver* driver = nullptr;
  std::atomic<int> activations = 0, resets = 0;
  std::array<std::atomic<int>, 2> kicks = {};
  uint64_t last_config_write = 0;
  bool fault_on_activate = false;
  bool host_failure = false;
  std::span<std::byte> window;
};

struct CountingIrq : IrqLine {
  std::atomic<int> raised = 0;
  void raise() override { ++raised; }
};

// A transport and the driver that speaks to it. The loop does not run unless a test runs it: calls into it happen in
// place, and serve() does what its kick watches would do.
struct Rig {
  static constexpr GuestAddr kWindow{0x1'2345'6000};

  Rig() {
    loop = EventLoop::create().value();
    Log log(LogLevel::kDebug, [this](LogLevel, std::string_view line) { lines.emplace_back(line); });
    transport = MmioTransport::create({memory.guest(), *loop, irq, log, "echo", kWindow}, device).value();
    for (uint16_t size : Echo::kSizes) rings.emplace_back(memory, static_cast<unsigned>(rings.size()), size);
  }

  uint32_t read(uint64_t offset) const { return read_register(*transport, offset); }
  void write(uint64_t offset, uint32_t value) const { write_register(*transport, offset, value); }
  void add_status(uint32_t bits) const { write(mmio::kStatus, read(mmio::kStatus) | bits); }

  uint64_t read_features() const { return virtio::read_features(*transport); }
  void write_features(uint64_t features) const { virtio::write_features(*transport, features); }
  // Up to FEATURES_OK, or to its refusal.
  void negotiate(uint64_t features = kOffered) const {
    write(mmio::kStatus, 0);
    add_status(kStatusAcknowledge);
    add_status(kStatusDriver);
    write_features(features);
    add_status(kStatusFeaturesOk);
  }
  void set_queue(uint32_t index, const QueueLayout& layout) const { virtio::set_queue(*transport, index, layout); }
  void start(uint64_t features = kOffered) {
    negotiate(features);
    for (uint32_t i = 0; i < rings.size(); ++i) set_queue(i, rings[i].layout());
    add_status(kStatusDriverOk);
  }
  void serve() const { transport->serve_pending(); }
  bool broken() const { return (read(mmio::kStatus) & kStatusDeviceNeedsReset) != 0; }

  FakeMemory memory;
  std::unique_ptr<EventLoop> loop;
  CountingIrq irq;
  Echo device;
  std::vector<std::string> lines;
  std::unique_ptr<MmioTransport> transport;
  std::vector<FakeRing> rings;
};

TEST(MmioTransport, SaysWhatItIs) {
  Rig rig;
  EXPECT_EQ(rig.read(mmio::kMagicValue), 0x74726976u);
  EXPECT_EQ(rig.read(mmio::kVersion), 2u);
  EXPECT_EQ(rig.read(mmio::kDeviceId), 42u);
  EXPECT_NE(rig.read(mmio::kVendorId), ~0u);
  EXPECT_EQ(rig.read_features(), kOffered);
  rig.write(mmio::kDeviceFeaturesSel, 2);
  EXPECT_EQ(rig.read(mmio::kDeviceFeatures), 0u);
  EXPECT_EQ(rig.read(mmio::kStatus), 0u);
}

TEST(MmioTransport, HasNoSharedMemory) {
  Rig rig;
  rig.write(mmio::kShmSel, 0);
  for (uint64_t offset : {mmio::kShmLenLow, mmio::kShmLenHigh, mmio::kShmBaseLow, mmio::kShmBaseHigh})
    EXPECT_EQ(rig.read(offset), ~0u);
}

TEST(MmioTransport, SharedMemoryIsRegionZero) {
  Rig rig;
  std::array<std::byte, 4096> window;
  rig.device.window = window;
  rig.write(mmio::kShmSel, 0);
  EXPECT_EQ(rig.read(mmio::kShmLenLow), 4096u);
  EXPECT_EQ(rig.read(mmio::kShmLenHigh), 0u);
  EXPECT_EQ(rig.read(mmio::kShmBaseLow), 0x2345'6000u);
  EXPECT_EQ(rig.read(mmio::kShmBaseHigh), 1u);
  for (uint32_t other : {1u, ~0u}) {
    rig.write(mmio::kShmSel, other);
    EXPECT_EQ(rig.read(mmio::kShmLenLow), ~0u);
    EXPECT_EQ(rig.read(mmio::kShmLenHigh), ~0u);
  }
  rig.write(mmio::kStatus, 0);
  EXPECT_EQ(rig.read(mmio::kShmLenLow), 4096u) << "a reset selects the first";
}

TEST(MmioTransport, ServesAKickedRequest) {
  Rig rig;
  rig.start();
  EXPECT_EQ(rig.read(mmio::kStatus), kConfigured | kStatusDriverOk);
  EXPECT_EQ(rig.device.activations, 1);
  EXPECT_EQ(rig.device.driver->features(), kOffered);
  for (int i = 0; i < 3; ++i) rig.rings[1].add({.readable = {}, .writable = {4}});
  rig.write(mmio::kQueueNotify, 1);
  rig.serve();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(rig.rings[1].take_reply());
  EXPECT_EQ(rig.device.kicks[1], 4);  // Its budget is one: three times kMore, then kDone.
  EXPECT_EQ(rig.device.kicks[0], 0);
  EXPECT_EQ(rig.read(mmio::kInterruptStatus), mmio::kInterruptQueue);
  EXPECT_EQ(rig.irq.raised, 1);  // Event index: the driver asked for the first only.
  rig.write(mmio::kInterruptAck, mmio::kInterruptQueue);
  EXPECT_EQ(rig.read(mmio::kInterruptStatus), 0u);
}

TEST(MmioTransport, WorksWithoutRingFeatures) {
  Rig rig;
  rig.start(kFeatureVersion1);
  EXPECT_EQ(rig.device.driver->features(), kFeatureVersion1);
  rig.rings[0].add({.readable = {}, .writable = {4}});
  rig.write(mmio::kQueueNotify, 0);
  rig.serve();
  EXPECT_TRUE(rig.rings[0].take_reply());
}

TEST(MmioTransport, QueueLeftOutIsNotReady) {
  Rig rig;
  rig.negotiate();
  rig.set_queue(1, rig.rings[1].layout());
  rig.add_status(kStatusDriverOk);
  EXPECT_FALSE(rig.broken());
  EXPECT_FALSE(rig.device.driver->queue(0).ready());
  EXPECT_TRUE(rig.device.driver->queue(1).ready());
  rig.write(mmio::kQueueNotify, 0);
  rig.serve();
  EXPECT_EQ(rig.device.kicks[0], 0);
}

TEST(MmioTransport, ConfigChangeBumpsTheGeneration) {
  Rig rig;
  rig.start();
  uint32_t before = rig.read(mmio::kConfigGeneration);
  rig.device.driver->config_changed();
  EXPECT_NE(rig.read(mmio::kConfigGeneration), before);
  EXPECT_EQ(rig.read(mmio::kInterruptStatus), mmio::kInterruptConfig);
  EXPECT_EQ(rig.irq.raised, 1);
}

// Trap 17.
TEST(MmioTransport, StatusOnlyGrowsAndInOrder) {
  Rig rig;
  for (uint32_t early : {kStatusDriver, kStatusFeaturesOk, kStatusDriverOk, kStatusDriver | kStatusDriverOk}) {
    rig.write(mmio::kStatus, early);
    EXPECT_EQ(rig.read(mmio::kStatus), 0u) << early;
  }
  rig.write(mmio::kStatus, kStatusAcknowledge);
  rig.write(mmio::kStatus, kStatusAcknowledge | kStatusFeaturesOk);
  EXPECT_EQ(rig.read(mmio::kStatus), kStatusAcknowledge);
  rig.write(mmio::kStatus, kStatusAcknowledge | kStatusDriver);
  rig.write(mmio::kStatus, kStatusAcknowledge | kStatusDriver | kStatusDriverOk);
  EXPECT_EQ(rig.read(mmio::kStatus), kStatusAcknowledge | kStatusDriver);
  rig.write(mmio::kStatus, kStatusAcknowledge);
  EXPECT_EQ(rig.read(mmio::kStatus), kStatusAcknowledge | kStatusDriver);
  EXPECT_EQ(rig.device.activations, 0);
}

TEST(MmioTransport, DriverCannotSetNeedsResetAndFailedIsFinal) {
  Rig rig;
  rig.negotiate();
  rig.add_status(kStatusDeviceNeedsReset);
  EXPECT_EQ(rig.read(mmio::kStatus), kConfigured);
  rig.add_status(kStatusFailed);
  rig.add_status(kStatusDriverOk);
  EXPECT_EQ(rig.read(mmio::kStatus), kConfigured | kStatusFailed);
  EXPECT_EQ(rig.device.activations, 0);
}

TEST(MmioTransport, FeaturesAreRefusedWhenUnknownOrWithoutVersion1) {
  for (uint64_t features : std::array<uint64_t, 4>{kOffered | 1, kOffered | 1ull << 63, kFeatureRingEventIdx, 0}) {
    Rig rig;
    rig.negotiate(features);
    EXPECT_EQ(rig.read(mmio::kStatus), kStatusAcknowledge | kStatusDriver);
    // The driver may think again.
    rig.write_features(kFeatureVersion1);
    rig.add_status(kStatusFeaturesOk);
    EXPECT_EQ(rig.read(mmio::kStatus), kConfigured);
  }
}

TEST(MmioTransport, FeaturesAreFixedOutsideTheirState) {
  Rig rig;
  rig.write_features(kOffered | 1);  // Before DRIVER.
  rig.negotiate();
  rig.write_features(0);  // After FEATURES_OK.
  rig.add_status(kStatusDriverOk);
  EXPECT_EQ(rig.device.driver->features(), kOffered);
  Rig select;
  select.write(mmio::kStatus, kStatusAcknowledge);
  select.write(mmio::kStatus, kStatusAcknowledge | kStatusDriver);
  select.write_features(kFeatureVersion1);
  select.write(mmio::kDriverFeaturesSel, 2);
  select.write(mmio::kDriverFeatures, ~0u);
  select.write(mmio::kDriverFeaturesSel, 0xffff'ffff);
  select.write(mmio::kDriverFeatures, ~0u);
  select.add_status(kStatusFeaturesOk);
  EXPECT_EQ(select.read(mmio::kStatus), kConfigured);
}

// Traps 12, 17: what is written outside FEATURES_OK..DRIVER_OK is ignored.
TEST(MmioTransport, QueueRegistersAreFixedAfterDriverOk) {
  Rig rig;
  rig.set_queue(0, rig.rings[0].layout());
  EXPECT_EQ(rig.read(mmio::kQueueReady), 0u);
  rig.start();
  for (uint64_t offset = mmio::kQueueNum; offset <= mmio::kQueueDeviceHigh; offset += 4)
    if (offset < mmio::kQueueNotify || offset >= mmio::kQueueDescLow) rig.write(offset, 0xdeadbeef);
  rig.write(mmio::kQueueSel, 0);
  rig.write(mmio::kQueueNum, 3);
  rig.write(mmio::kQueueReady, 0);
  EXPECT_EQ(rig.read(mmio::kQueueReady), 1u);
  rig.rings[0].add({.readable = {}, .writable = {4}});
  rig.write(mmio::kQueueNotify, 0);
  rig.serve();
  EXPECT_TRUE(rig.rings[0].take_reply());
  EXPECT_EQ(rig.device.driver->queue(0).size(), 16);
}

// Traps 13, 20.
TEST(MmioTransport, BadQueueFailsActivation) {
  auto try_layout = [](auto change) {
    Rig rig;
    rig.negotiate();
    QueueLayout layout = rig.rings[0].layout();
    change(layout);
    rig.set_queue(0, layout);
    rig.add_status(kStatusDriverOk);
    EXPECT_EQ(rig.read(mmio::kStatus), kConfigured | kStatusDriverOk | kStatusDeviceNeedsReset);
    EXPECT_EQ(rig.read(mmio::kInterruptStatus), mmio::kInterruptConfig);
    EXPECT_EQ(rig.irq.raised, 1);
    EXPECT_EQ(rig.device.activations, 0);
    EXPECT_EQ(rig.transport->faults(), 1u);
    rig.write(mmio::kQueueNotify, 0);
    rig.serve();
    EXPECT_EQ(rig.device.kicks[0], 0);
    // And it can be done right afterwards.
    rig.start();
    EXPECT_FALSE(rig.broken());
    EXPECT_EQ(rig.device.activations, 1);
    EXPECT_EQ(rig.device.resets, 0);
  };
  try_layout([](QueueLayout& layout) { layout.size = 0; });
  try_layout([](QueueLayout& layout) { layout.size = 3; });
  try_layout([](QueueLayout& layout) { layout.size = 32; });
  try_layout([](QueueLayout& layout) { layout.descriptors.value += 8; });
  try_layout([](QueueLayout& layout) { layout.driver_ring.value = ~1ull; });
  try_layout([](QueueLayout& layout) { layout.device_ring = layout.descriptors; });
}

TEST(MmioTransport, QueueSizeIsNotCutTo16Bits) {
  Rig rig;
  rig.negotiate();
  rig.set_queue(0, rig.rings[0].layout());
  rig.write(mmio::kQueueNum, 0x1'0000 + 16);
  rig.add_status(kStatusDriverOk);
  EXPECT_TRUE(rig.broken());
}

// Trap 3: after a fault the device gets no calls until it is reset.
TEST(MmioTransport, GuestFaultStopsTheDeviceUntilReset) {
  Rig rig;
  rig.start();
  rig.rings[0].set_available_index(1000);
  rig.write(mmio::kQueueNotify, 0);
  rig.serve();
  EXPECT_TRUE(rig.broken());
  EXPECT_EQ(rig.read(mmio::kInterruptStatus), mmio::kInterruptConfig);
  EXPECT_EQ(rig.device.kicks[0], 1);
  for (uint32_t queue : {0u, 1u}) rig.write(mmio::kQueueNotify, queue);
  rig.serve();
  EXPECT_EQ(rig.device.kicks[0] + rig.device.kicks[1], 1);
  EXPECT_EQ(rig.device.resets, 0);
  rig.rings[0] = FakeRing(rig.memory, 0, 16);
  rig.start();
  EXPECT_EQ(rig.device.resets, 1);
  EXPECT_EQ(rig.device.activations, 2);
  EXPECT_FALSE(rig.broken());
  rig.rings[0].add({.readable = {}, .writable = {4}});
  rig.write(mmio::kQueueNotify, 0);
  rig.serve();
  EXPECT_TRUE(rig.rings[0].take_reply());
  ASSERT_EQ(rig.lines.size(), 1u);
  EXPECT_NE(rig.lines[0].find("echo"), std::string::npos);
}

TEST(MmioTransport, HostFailureStopsTheDeviceToo) {
  Rig rig;
  rig.start();
  rig.device.host_failure = true;
  rig.write(mmio::kQueueNotify, 0);
  rig.serve();
  EXPECT_TRUE(rig.broken());
  ASSERT_EQ(rig.lines.size(), 1u);
  EXPECT_NE(rig.lines[0].find("tired"), std::string::npos);
}

TEST(MmioTransport, DeviceThatFaultsInActivateGetsNoKicks) {
  Rig rig;
  rig.device.fault_on_activate = true;
  rig.start();
  EXPECT_TRUE(rig.broken());
  rig.write(mmio::kQueueNotify, 0);
  rig.serve();
  EXPECT_EQ(rig.device.kicks[0], 0);
  rig.write(mmio::kStatus, 0);
  EXPECT_EQ(rig.device.resets, 1);
}

TEST(MmioTransport, FaultsDoNotFloodTheLog) {
  Rig rig;
  rig.device.fault_on_activate = true;
  for (int i = 0; i < 1000; ++i) rig.start();
  EXPECT_EQ(rig.transport->faults(), 1000u);
  EXPECT_LT(rig.lines.size(), 50u);
}

TEST(MmioTransport, KicksBeforeDriverOkAreIgnored) {
  Rig rig;
  rig.transport->kicks()[0].signal();  // As KVM does, which knows no status.
  rig.write(mmio::kQueueNotify, 0);
  rig.start();
  rig.serve();
  EXPECT_EQ(rig.device.kicks[0], 0);
}

// Trap 19.
TEST(MmioTransport, ResetReturnsToTheBeginning) {
  Rig rig;
  rig.start();
  rig.device.driver->config_changed();
  rig.write(mmio::kQueueNotify, 0);  // Not served: must not reach the device any more.
  rig.write(mmio::kStatus, 0);
  EXPECT_EQ(rig.device.resets, 1);
  EXPECT_EQ(rig.read(mmio::kStatus), 0u);
  EXPECT_EQ(rig.read(mmio::kInterruptStatus), 0u);
  for (uint32_t queue : {0u, 1u}) {
    rig.write(mmio::kQueueSel, queue);
    EXPECT_EQ(rig.read(mmio::kQueueReady), 0u);
  }
  rig.serve();
  EXPECT_EQ(rig.device.kicks[0], 0);
  rig.write(mmio::kStatus, 0);
  EXPECT_EQ(rig.device.resets, 1);  // Nothing to reset.
  rig.rings[0] = FakeRing(rig.memory, 0, 16);
  rig.start();
  rig.serve();
  EXPECT_EQ(rig.device.kicks[0], 0);  // The old kick is gone with the old driver.
}

TEST(MmioTransport, EndOfTheTransportResetsTheDevice) {
  Rig rig;
  rig.start();
  rig.transport.reset();
  EXPECT_EQ(rig.device.resets, 1);
}

// Trap 21.
TEST(MmioTransport, ConfigSpaceOfEveryWidthAndOffset) {
  Rig rig;
  for (size_t size : {1, 2, 4, 8}) {
    for (uint64_t offset = 0; offset < 16; ++offset) {
      Bytes data(size, std::byte{0xee});
      rig.transport->read(mmio::kConfig + offset, data);
      for (size_t i = 0; i < size; ++i) {
        auto expected = offset + i < 5 ? std::byte(offset + i + 1) : std::byte{0};
        EXPECT_EQ(data[i], expected);
      }
      rig.transport->write(mmio::kConfig + offset, data);
      EXPECT_EQ(rig.device.last_config_write, offset);
    }
  }
  EXPECT_EQ(rig.read(MmioTransport::kSize - 4), 0u);
}

// Trap 22.
TEST(MmioTransport, OddAccessesReadOnesAndWriteNothing) {
  Rig rig;
  rig.start();
  for (uint64_t offset = 0; offset < mmio::kConfig; ++offset) {
    for (size_t size : {1, 2, 4, 8}) {
      if (size == 4 && offset % 4 == 0) continue;
      Bytes data(size, std::byte{0});
      rig.transport->write(offset, data);  // At the status register this would be a reset.
      rig.transport->read(offset, data);
      for (std::byte byte : data) EXPECT_EQ(byte, std::byte{0xff});
    }
  }
  EXPECT_EQ(rig.read(mmio::kStatus), kConfigured | kStatusDriverOk);
  EXPECT_EQ(rig.read(0x0c0), ~0u);  // QueueReset: not offered.
  EXPECT_EQ(rig.read(mmio::kQueueDescLow), ~0u);
}

// Trap 23.
TEST(MmioTransport, QueueNumbersOutOfRangeDoNothing) {
  Rig rig;
  rig.negotiate();
  for (uint32_t queue : {2u, 0xffffu, 0x8000'0000u, ~0u}) {
    rig.set_queue(queue, rig.rings[0].layout());
    EXPECT_EQ(rig.read(mmio::kQueueNumMax), 0u);
    EXPECT_EQ(rig.read(mmio::kQueueReady), 0u);
  }
  rig.write(mmio::kQueueSel, 1);
  EXPECT_EQ(rig.read(mmio::kQueueNumMax), 8u);
  rig.add_status(kStatusDriverOk);
  for (uint32_t queue : {2u, 0xffffu, 0x8000'0000u, ~0u}) rig.write(mmio::kQueueNotify, queue);
  rig.serve();
  EXPECT_EQ(rig.device.kicks[0] + rig.device.kicks[1], 0);
}

// The real arrangement: the loop on a thread of its own, registers from here.
TEST(MmioTransport, LoopThreadServesWhatVcpuThreadsWrite) {
  Rig rig;
  std::thread loop([&] { EXPECT_TRUE(rig.loop->run()); });
  for (int life = 0; life < 20; ++life) {
    for (unsigned i = 0; i < 2; ++i) rig.rings[i] = FakeRing(rig.memory, i, Echo::kSizes[i]);
    rig.start();
    ASSERT_EQ(rig.device.activations, life + 1);  // Done when the write is.
    for (int i = 0; i < 50; ++i) {
      rig.rings[0].add({.readable = {}, .writable = {4}});
      if (i % 2 == 0)
        rig.write(mmio::kQueueNotify, 0);
      else
        rig.transport->kicks()[0].signal();
      auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      bool replied = false;
      while (!replied && std::chrono::steady_clock::now() < deadline) replied = rig.rings[0].take_reply().has_value();
      ASSERT_TRUE(replied);
    }
    rig.write(mmio::kStatus, 0);
    ASSERT_EQ(rig.device.resets, life + 1);
  }
  rig.loop->stop();
  loop.join();
}

// Several vCPUs write anything to any register while the loop runs and rings hold garbage.
TEST(MmioTransport, SurvivesRandomVcpus) {
  Rig rig;
  std::thread loop([&] { EXPECT_TRUE(rig.loop->run()); });
  auto vcpu = [&rig](uint64_t seed) {
    std::mt19937_64 random(seed);
    auto pick = [&](uint64_t below) { return random() % below; };
    constexpr std::array<uint32_t, 8> kStatuses{0, 1, 3, 11, 15, 15, 0x8f, 0x4f};
    for (int i = 0; i < 4000; ++i) {
      uint64_t offset = pick(3) == 0 ? pick(MmioTransport::kSize) : pick(0x110) & ~3ull;
      auto value = static_cast<uint32_t>(pick(2) == 0 ? pick(64) : random());
      if (pick(4) == 0) rig.write(mmio::kStatus, kStatuses[pick(kStatuses.size())]);
      if (pick(60) == 0) rig.negotiate();
      if (pick(60) == 0) rig.set_queue(static_cast<uint32_t>(pick(3)), rig.rings[0].layout());
      Bytes data(1u << pick(4), std::byte(value));
      std::memcpy(data.data(), &value, std::min(data.size(), sizeof value));
      rig.transport->write(offset, data);
      rig.transport->read(offset, data);
      if (pick(10) == 0) rig.rings[0].set_available_index(static_cast<uint16_t>(random()));
      if (pick(5) == 0) rig.write(mmio::kQueueNotify, static_cast<uint32_t>(pick(3)));
    }
  };
  std::thread other(vcpu, 1);
  vcpu(2);
  other.join();
  rig.write(mmio::kStatus, 0);
  EXPECT_EQ(rig.device.activations, rig.device.resets);
  rig.loop->stop();
  loop.join();
}

}  // namespace
}  // namespace cloche::virtio
