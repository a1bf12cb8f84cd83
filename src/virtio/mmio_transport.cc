#include "virtio/mmio_transport.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "virtio/spec.h"

namespace cloche::virtio {
namespace {

constexpr uint32_t kAllOnes = ~0u;              // What a register that is not there reads.
constexpr uint32_t kVendorCloche = 0x434c4f43;  // "CLOC": names the implementation, drivers ignore it.

uint32_t half(uint64_t value, uint32_t select) {
  if (select > 1) return 0;
  return static_cast<uint32_t>(value >> (32 * select));
}

void set_half(uint64_t& value, uint32_t select, uint32_t bits) {
  uint64_t mask = 0xffff'ffffull << (32 * select);
  value = (value & ~mask) | (static_cast<uint64_t>(bits) << (32 * select));
}

}  // namespace

Result<std::unique_ptr<MmioTransport>> MmioTransport::create(Wiring wiring, Device& device) {
  std::vector<EventFd> kicks;
  for (size_t i = 0; i < device.queue_sizes().size(); ++i) kicks.push_back(TRY(EventFd::create()));
  return std::unique_ptr<MmioTransport>(new MmioTransport(std::move(wiring), device, std::move(kicks)));
}

MmioTransport::MmioTransport(Wiring wiring, Device& device, std::vector<EventFd> kicks)
    : wiring_(std::move(wiring)),
      device_(device),
      kicks_(std::move(kicks)),
      runner_(wiring_, device_, registers_, kicks_),
      queues_(kicks_.size()) {}

MmioTransport::~MmioTransport() {
  if (activated_) wiring_.loop.call([this] { runner_.deactivate(); });
}

void MmioTransport::read(uint64_t offset, std::span<std::byte> data) {
  if (offset >= mmio::kConfig) {
    device_.read_config(offset - mmio::kConfig, data);
    return;
  }
  std::ranges::fill(data, std::byte{0xff});
  if (data.size() != sizeof(uint32_t) || offset % sizeof(uint32_t) != 0) return;
  uint32_t value = read_register(offset);
  std::memcpy(data.data(), &value, sizeof value);
}

void MmioTransport::write(uint64_t offset, std::span<const std::byte> data) {
  if (offset >= mmio::kConfig) {
    // The device lives on the loop; the driver expects the write done when its instruction is.
    wiring_.loop.call([&] { device_.write_config(offset - mmio::kConfig, data); });
    return;
  }
  uint32_t value;
  if (data.size() != sizeof value || offset % sizeof value != 0) return;
  std::memcpy(&value, data.data(), sizeof value);
  // The frequent ones first, without the lock.
  if (offset == mmio::kQueueNotify) return notify(value);
  if (offset == mmio::kInterruptAck) {
    registers_.interrupt_status.fetch_and(~value);
    return;
  }
  if (offset == mmio::kStatus) return write_status(value);
  write_register(offset, value);
}

uint32_t MmioTransport::read_register(uint64_t offset) const {
  switch (offset) {
    case mmio::kInterruptStatus:
      return registers_.interrupt_status.load();
    case mmio::kStatus:
      return status();
    case mmio::kConfigGeneration:
      return registers_.config_generation.load();
    case mmio::kMagicValue:
      return mmio::kMagic;
    case mmio::kVersion:
      return mmio::kInterfaceVersion;
    case mmio::kDeviceId:
      return device_.id();
    case mmio::kVendorId:
      return kVendorCloche;
    case mmio::kDeviceFeatures: {
      std::lock_guard lock(mutex_);
      return half(offered_features(), device_features_sel_);
    }
    case mmio::kQueueNumMax:
    case mmio::kQueueReady:
      return read_queue_register(offset);
    case mmio::kShmLenLow:
    case mmio::kShmLenHigh:
    case mmio::kShmBaseLow:
    case mmio::kShmBaseHigh:
      return read_shared_memory_register(offset);
    // Registers that only take writes.
    default:
      return kAllOnes;
  }
}

// A region that does not exist says so by a length of all ones.
uint32_t MmioTransport::read_shared_memory_register(uint64_t offset) const {
  uint64_t size = device_.shared_memory().size();
  std::lock_guard lock(mutex_);
  if (shared_memory_sel_ != 0 || size == 0) return kAllOnes;
  bool is_length = offset == mmio::kShmLenLow || offset == mmio::kShmLenHigh;
  bool is_low = offset == mmio::kShmLenLow || offset == mmio::kShmBaseLow;
  return half(is_length ? size : wiring_.shared_memory.value, is_low ? 0 : 1);
}

uint32_t MmioTransport::read_queue_register(uint64_t offset) const {
  std::lock_guard lock(mutex_);
  if (queue_sel_ >= queues_.size()) return 0;
  if (offset == mmio::kQueueReady) return queues_[queue_sel_].ready ? 1 : 0;
  return device_.queue_sizes()[queue_sel_];
}

void MmioTransport::write_register(uint64_t offset, uint32_t value) {
  std::lock_guard lock(mutex_);
  switch (offset) {
    case mmio::kDeviceFeaturesSel:
      device_features_sel_ = value;
      break;
    case mmio::kDriverFeaturesSel:
      driver_features_sel_ = value;
      break;
    case mmio::kDriverFeatures:
      write_driver_features(value);
      break;
    case mmio::kQueueSel:
      queue_sel_ = value;
      break;
    case mmio::kShmSel:
      shared_memory_sel_ = value;
      break;
    default:
      write_queue_register(offset, value);
  }
}

// Features are open for change between DRIVER and FEATURES_OK.
void MmioTransport::write_driver_features(uint32_t value) {
  if ((status() & (kStatusDriver | kStatusFeaturesOk)) != kStatusDriver) return;
  if (driver_features_sel_ > 1) return;
  set_half(driver_features_, driver_features_sel_, value);
}

// Queues are open for change between FEATURES_OK and DRIVER_OK. Whether the values make sense is asked once, at
// DRIVER_OK.
void MmioTransport::write_queue_register(uint64_t offset, uint32_t value) {
  if ((status() & (kStatusFeaturesOk | kStatusDriverOk)) != kStatusFeaturesOk) return;
  if (queue_sel_ >= queues_.size()) return;
  QueueRegisters& queue = queues_[queue_sel_];
  QueueLayout& layout = queue.layout;
  switch (offset) {
    case mmio::kQueueNum:
      // More than the register can mean becomes a size that activation refuses.
      layout.size = value > kMaxQueueSize ? UINT16_MAX : static_cast<uint16_t>(value);
      break;
    case mmio::kQueueReady:
      queue.ready = (value & 1) != 0;
      break;
    case mmio::kQueueDescLow:
      set_half(layout.descriptors.value, 0, value);
      break;
    case mmio::kQueueDescHigh:
      set_half(layout.descriptors.value, 1, value);
      break;
    case mmio::kQueueDriverLow:
      set_half(layout.driver_ring.value, 0, value);
      break;
    case mmio::kQueueDriverHigh:
      set_half(layout.driver_ring.value, 1, value);
      break;
    case mmio::kQueueDeviceLow:
      set_half(layout.device_ring.value, 0, value);
      break;
    case mmio::kQueueDeviceHigh:
      set_half(layout.device_ring.value, 1, value);
      break;
    default:
      break;
  }
}

// Who serves a queue elsewhere has its kick too, and could make a write to it wait for good. No guest's notification
// comes here then: the hypervisor takes them all.
void MmioTransport::notify(uint32_t index) const {
  if (device_.served() == Served::kElsewhere) return;
  if ((status() & kStatusDriverOk) == 0 || index >= kicks_.size()) return;
  kicks_[index].signal();
}

// Section 2.1 and 3.1: bits are only ever added, in their order, each checked before the next; 0 resets.
void MmioTransport::write_status(uint32_t value) {
  std::lock_guard serialised(status_mutex_);
  if (value == 0) return reset();
  uint32_t before = status();
  uint32_t driver_bits = before & ~kStatusDeviceNeedsReset;  // That one is the device's to set.
  if ((value & driver_bits) != driver_bits || (before & kStatusFailed) != 0) return;
  if ((value & kStatusFailed) != 0) {
    registers_.status.fetch_or(kStatusFailed);
    return;
  }
  for (uint32_t step : {kStatusAcknowledge, kStatusDriver, kStatusFeaturesOk, kStatusDriverOk}) {
    if ((value & step) == 0) return;  // What comes after a step that was left out has no ground to stand on.
    if ((before & step) != 0) continue;
    if (step == kStatusFeaturesOk && !accept_features()) return;
    if (step == kStatusDriverOk) activate();
    registers_.status.fetch_or(step);
  }
}

uint64_t MmioTransport::offered_features() const { return device_.features() | device_.ring_features(); }

bool MmioTransport::accept_features() const {
  std::lock_guard lock(mutex_);
  return (driver_features_ & ~offered_features()) == 0 && (driver_features_ & kFeatureVersion1) != 0;
}

void MmioTransport::activate() {
  DeviceRunner::Layouts layouts;
  uint64_t features;
  {
    std::lock_guard lock(mutex_);
    features = driver_features_;
    for (const QueueRegisters& queue : queues_)
      layouts.push_back(queue.ready ? std::optional(queue.layout) : std::nullopt);
  }
  activated_ = true;
  wiring_.loop.call([&] { runner_.activate(layouts, features); });
}

void MmioTransport::reset() {
  // Drivers reset before they begin; that must not cost a trip to the loop.
  if (std::exchange(activated_, false)) wiring_.loop.call([this] { runner_.deactivate(); });
  std::lock_guard lock(mutex_);
  registers_.status = 0;
  registers_.interrupt_status = 0;
  device_features_sel_ = 0;
  driver_features_sel_ = 0;
  driver_features_ = 0;
  queue_sel_ = 0;
  shared_memory_sel_ = 0;
  std::ranges::fill(queues_, QueueRegisters{});
}

}  // namespace cloche::virtio
