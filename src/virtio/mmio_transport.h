// MmioTransport: a virtio device behind memory-mapped registers (virtio 1.2, section 4.2, version 2 of the interface).
//
// Registers are read and written on vCPU threads under one small lock; the device itself lives on the loop's thread. Status writes
// that start or reset the device wait for the loop, so that the driver finds them done.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/event_loop.h"
#include "base/log.h"
#include "bus/bus.h"
#include "virtio/device.h"

namespace cloche::virtio {

class MmioTransport final : public BusDevice, private Driver {
 public:
  static constexpr uint64_t kSize = 0x1000;         // Bytes of address space per device.
  static constexpr uint64_t kNotifyOffset = 0x50;   // QueueNotify: the machine puts an ioeventfd per queue here, matched by value.

  struct Wiring {
    const GuestMemory& memory;
    EventLoop& loop;
    IrqLine& irq;
    Log log;
    std::string name;  // For log lines: "fs share0".
  };
  // `device` and what `wiring` refers to outlive the transport. Watches its kick eventfds in the loop.
  static Result<std::unique_ptr<MmioTransport>> create(Wiring wiring, Device& device);
  ~MmioTransport() override;

  // One per queue: signalled by KVM (ioeventfd) or by a register write that reached user space.
  std::span<const EventFd> kicks() const { return kicks_; }

  void read(uint64_t offset, std::span<std::byte> data) override;
  void write(uint64_t offset, std::span<const std::byte> data) override;

  // How often the guest broke the rules so that the device faulted; for the report at the VM's end. Any thread.
  uint64_t faults() const { return fault_count_.load(std::memory_order_relaxed); }

 private:
  // (the implementation's author shapes the rest)
  uint64_t features() const override;
  Queue& queue(unsigned index) override;
  void interrupt(unsigned index) override;
  void config_changed() override;
  void fault(Error error) override;

  MmioTransport(Wiring wiring, Device& device) : wiring_(std::move(wiring)), device_(device) {}

  Wiring wiring_;
  Device& device_;
  std::vector<EventFd> kicks_;
  std::atomic<uint64_t> fault_count_ = 0;
};

}  // namespace cloche::virtio
