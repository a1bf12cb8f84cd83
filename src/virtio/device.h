// Device: what every virtio device is to its transport, and Driver: what the transport is to its device.
//
// All calls into a device come on the VM's event-loop thread, except id(), served(), the features, queue_sizes() and
// read_config(), which vCPU threads call too: those answer from data that does not change, or from atomics.
#pragma once

#include <cstdint>
#include <span>

#include "virtio/queue.h"
#include "virtio/spec.h"

namespace cloche::virtio {

// What on_kick() left behind.
enum class Kick {
  kDone,  // The queue is empty, or nothing more can be done until something else happens.
  kMore,  // The budget is spent and the queue may hold more: call again after the others had their turn.
};

// Who serves a device's queues.
enum class Served {
  kHere,  // The device, in on_kick().
  // Another process, which has the guest's memory and the kicks. The device gives it the queues' checked layouts, and
  // passes its interrupts on.
  kElsewhere,
};

// The guest's side of an activated device. Loop thread. Lives from activate() to reset().
class Driver {
 public:
  virtual ~Driver() = default;
  virtual uint64_t features() const = 0;     // What the driver acknowledged.
  virtual Queue& queue(unsigned index) = 0;  // A queue the driver did not enable is !ready().
  // Interrupts the guest if pushes on the queue since the last call ask for it. The transport does it after on_kick()
  // by itself; devices call it when they push on other occasions.
  virtual void interrupt(unsigned index) = 0;
  virtual void config_changed() = 0;  // Bumps the generation and interrupts.
  // For Served::kElsewhere: what the hypervisor signals when the driver has put something into the queue, and the
  // interrupt that whoever serves it has decided on.
  virtual int kick_fd(unsigned index) const = 0;
  virtual void pass_interrupt() = 0;
  // The driver broke the rules outside on_kick(): the device is marked DEVICE_NEEDS_RESET and gets no more calls until
  // reset().
  virtual void fault(Error error) = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual uint32_t id() const = 0;                 // Section 5.
  virtual uint64_t features() const { return 0; }  // Device-specific bits; the transport adds the ring's:
  virtual uint64_t ring_features() const { return kRingFeatures; }
  virtual Served served() const { return Served::kHere; }
  virtual std::span<const uint16_t> queue_sizes() const = 0;  // The largest size of each queue.
  // Reads config space. Bytes past its end are zero.
  virtual void read_config(uint64_t offset, std::span<std::byte> out) const;
  virtual void write_config(uint64_t offset, std::span<const std::byte> data);
  // The device's shared memory region 0 (section 2.10), as it lies in this process; empty: it has none. The machine
  // gives it a place among the guest's addresses.
  virtual std::span<std::byte> shared_memory() const { return {}; }
  // Whether the guest's buffers may lie in shared memory of any device, where nothing of ours may touch them (see
  // GuestMemory::add_window): they go to system calls as they are, or through Chain's copies.
  virtual bool takes_shared_buffers() const { return false; }

  // The driver is ready (DRIVER_OK). `driver` stays valid until reset() returns.
  virtual void activate(Driver& driver) { static_cast<void>(driver); }
  // The driver is gone: drop watches, requests in flight and everything that belongs to it.
  virtual void reset() {}
  // The driver put something into queue `index`, which is served here. A kGuest error faults the device; any other
  // error does too, and is logged.
  virtual Result<Kick> on_kick(unsigned index, Queue& queue) = 0;
};

// For read_config(): copies the part of `config` that the access covers, zero past its end.
void read_config_bytes(std::span<const std::byte> config, uint64_t offset, std::span<std::byte> out);

}  // namespace cloche::virtio
