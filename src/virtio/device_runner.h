// DeviceRunner: the half of a transport that lives on the loop's thread. It owns the queues of an activated device,
// carries kicks to it, and interrupts and faults from it. The other half, the registers, is the transport's, on vCPU
// threads.
#pragma once

#include <atomic>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/log.h"
#include "bus/bus.h"
#include "virtio/device.h"

namespace cloche::virtio {

// What a transport connects its device to.
struct TransportWiring {
  const GuestMemory& memory;
  EventLoop& loop;
  IrqLine& irq;
  Log log;
  std::string name;           // For log lines: "fs share0".
  GuestAddr shared_memory{};  // Where the guest finds the device's, if it has any.
};

// Registers that the device changes behind the driver's back. Atomic, so that neither thread ever waits for the other.
struct SharedRegisters {
  std::atomic<uint32_t> status = 0;
  std::atomic<uint32_t> interrupt_status = 0;
  std::atomic<uint32_t> config_generation = 0;
  std::atomic<uint64_t> faults = 0;  // Not a register: what MmioTransport::faults() reports.
};

class DeviceRunner final : public Driver {
 public:
  // The queues as the driver asked for them; nothing where it did not enable one.
  using Layouts = std::vector<std::optional<QueueLayout>>;

  // What it refers to outlives it. `kicks` has one eventfd per queue of `device`.
  DeviceRunner(const TransportWiring& wiring, Device& device, SharedRegisters& registers,
               std::span<const EventFd> kicks)
      : wiring_(wiring), device_(device), registers_(registers), kicks_(kicks) {}

  // Checks and maps the queues, then starts the device. When a queue is wrong the device is not started and
  // DEVICE_NEEDS_RESET set.
  void activate(const Layouts& layouts, uint64_t features);
  // Stops the device, if activate() started it. No call into the device comes after this.
  void deactivate();
  // Serves kicks that arrived and were not yet seen, a bounded number of them.
  void serve_pending();

  uint64_t features() const override { return features_; }
  Queue& queue(unsigned index) override { return queues_[index]; }
  void interrupt(unsigned index) override;
  void config_changed() override;
  int kick_fd(unsigned index) const override { return kicks_[index].fd(); }
  void pass_interrupt() override;
  void fault(Error error) override;

 private:
  Result<void> map_queues(const Layouts& layouts);
  Result<void> watch_kicks();
  void unwatch_kicks();
  bool is_served_here() const { return device_.served() == Served::kHere; }
  void serve(unsigned index);
  void raise(uint32_t cause);
  void report(const Error& error);

  const TransportWiring& wiring_;
  Device& device_;
  SharedRegisters& registers_;
  std::span<const EventFd> kicks_;
  std::vector<Queue> queues_;
  uint64_t features_ = 0;
  bool started_ = false;  // device_.activate() was called and device_.reset() was not.
  bool broken_ = false;   // Faulted: no calls into the device but reset().
};

}  // namespace cloche::virtio
