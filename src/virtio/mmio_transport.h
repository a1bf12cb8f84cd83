// MmioTransport: a virtio device behind memory-mapped registers (virtio 1.2, section 4.2, version 2 of the interface).
//
// Registers are read and written on vCPU threads under one small lock; the device itself lives on the loop's thread, in
// a DeviceRunner. Status writes that start or reset the device wait for the loop, so that the driver finds them done.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "virtio/device_runner.h"

namespace cloche::virtio {

class MmioTransport final : public BusDevice {
 public:
  static constexpr uint64_t kSize = 0x1000;  // Bytes of address space per device.
  static constexpr uint64_t kNotifyOffset =
      0x50;  // QueueNotify: the machine puts an ioeventfd per queue here, by value.

  using Wiring = TransportWiring;
  // `device` and what `wiring` refers to outlive the transport. While the device is activated its kicks are watched in
  // the loop.
  static Result<std::unique_ptr<MmioTransport>> create(Wiring wiring, Device& device);
  // Resets the device, on the loop if that runs.
  ~MmioTransport() override;

  // One per queue: signalled by KVM (ioeventfd) or, for a device that is served here, by a register write that reached
  // user space.
  std::span<const EventFd> kicks() const { return kicks_; }

  // On vCPU threads, never on the loop's.
  void read(uint64_t offset, std::span<std::byte> data) override;
  void write(uint64_t offset, std::span<const std::byte> data) override;

  // Serves what the guest kicked and the loop did not yet see: at the VM's end, so that its last output is not lost.
  // Loop thread, or after the loop ended.
  void serve_pending() { runner_.serve_pending(); }

  // How often the device was stopped because the guest broke the rules or the host failed; for the report at the VM's
  // end. Any thread.
  uint64_t faults() const { return registers_.faults.load(std::memory_order_relaxed); }

 private:
  // A queue's registers: only a proposal until DRIVER_OK, when a checked copy of it goes to the runner.
  struct QueueRegisters {
    QueueLayout layout;
    bool ready = false;
  };

  MmioTransport(Wiring wiring, Device& device, std::vector<EventFd> kicks);

  uint32_t read_register(uint64_t offset) const;
  uint32_t read_queue_register(uint64_t offset) const;
  uint32_t read_shared_memory_register(uint64_t offset) const;
  void write_register(uint64_t offset, uint32_t value);
  void write_queue_register(uint64_t offset, uint32_t value);
  void write_driver_features(uint32_t value);
  void notify(uint32_t index) const;

  void write_status(uint32_t value);
  void reset();
  bool accept_features() const;
  void activate();

  uint32_t status() const { return registers_.status.load(); }
  uint64_t offered_features() const;

  Wiring wiring_;
  Device& device_;
  std::vector<EventFd> kicks_;
  SharedRegisters registers_;
  DeviceRunner runner_;  // Loop thread.

  // Serialises status writes. Held while the loop works for one, and so never taken on the loop's thread.
  std::mutex status_mutex_;
  bool activated_ = false;  // The runner was told to activate and not yet to deactivate. Guarded by status_mutex_.

  // Guards what follows. Held for a few instructions only, never across a call.
  mutable std::mutex mutex_;
  uint32_t device_features_sel_ = 0;
  uint32_t driver_features_sel_ = 0;
  uint64_t driver_features_ = 0;
  uint32_t queue_sel_ = 0;
  uint32_t shared_memory_sel_ = 0;
  std::vector<QueueRegisters> queues_;
};

}  // namespace cloche::virtio
