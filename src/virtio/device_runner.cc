#include "virtio/device_runner.h"

#include <sys/epoll.h>

#include <utility>

#include "virtio/spec.h"

namespace cloche::virtio {
namespace {

// A guest can fault and reset its device for ever; the log shall not grow with it.
constexpr uint64_t kMostFaultsLogged = 16;

// Rounds of serve_pending(): a guest that kicks all the time must not keep its VM from ending.
constexpr int kMostPendingRounds = 64;

}  // namespace

void DeviceRunner::activate(const Layouts& layouts, uint64_t features) {
  features_ = features;
  broken_ = false;
  Result<void> ready = map_queues(layouts);
  if (ready) ready = watch_kicks();
  if (!ready) {
    unwatch_kicks();
    queues_.clear();
    fault(std::move(ready).error().in("activate"));
    return;
  }
  started_ = true;
  device_.activate(*this);
}

void DeviceRunner::deactivate() {
  if (!started_) return;
  unwatch_kicks();
  device_.reset();
  started_ = false;
  queues_.clear();
}

Result<void> DeviceRunner::map_queues(const Layouts& layouts) {
  std::span<const uint16_t> most = device_.queue_sizes();
  Queue::Features features{.indirect = (features_ & kFeatureRingIndirectDesc) != 0,
                           .event_index = (features_ & kFeatureRingEventIdx) != 0,
                           .shared_buffers = device_.takes_shared_buffers()};
  queues_.clear();
  queues_.resize(most.size());
  for (size_t i = 0; i < most.size(); ++i) {
    if (layouts[i]) queues_[i] = TRY(Queue::create(wiring_.memory, *layouts[i], most[i], features));
  }
  return {};
}

Result<void> DeviceRunner::watch_kicks() {
  if (!is_served_here()) return {};
  for (unsigned i = 0; i < queues_.size(); ++i) {
    kicks_[i].drain();  // Kicks from before DRIVER_OK mean nothing.
    if (!queues_[i].ready()) continue;
    TRY(wiring_.loop.watch(kicks_[i].fd(), EPOLLIN, [this, i](uint32_t) {
      kicks_[i].drain();
      serve(i);
    }));
  }
  return {};
}

void DeviceRunner::unwatch_kicks() {
  for (const EventFd& kick : kicks_) wiring_.loop.unwatch(kick.fd());
}

void DeviceRunner::serve(unsigned index) {
  if (!started_ || broken_) return;
  Result<Kick> served = device_.on_kick(index, queues_[index]);
  if (!served) {
    fault(std::move(served).error());
    return;
  }
  interrupt(index);
  // Comes back through the loop, after the others had their turn; and not at all once the kicks are no longer watched.
  if (*served == Kick::kMore) kicks_[index].signal();
}

void DeviceRunner::serve_pending() {
  if (!is_served_here()) return;
  for (int round = 0; round < kMostPendingRounds; ++round) {
    bool any = false;
    for (unsigned i = 0; i < queues_.size(); ++i) {
      if (!queues_[i].ready() || !kicks_[i].drain()) continue;
      any = true;
      serve(i);
    }
    if (!any) return;
  }
}

void DeviceRunner::interrupt(unsigned index) {
  if (queues_[index].take_interrupt()) raise(mmio::kInterruptQueue);
}

void DeviceRunner::config_changed() {
  registers_.config_generation.fetch_add(1);
  raise(mmio::kInterruptConfig);
}

void DeviceRunner::pass_interrupt() {
  if (!broken_) raise(mmio::kInterruptQueue);
}

void DeviceRunner::fault(Error error) {
  if (broken_) return;
  broken_ = true;
  // A kick that nobody drains would wake the loop for ever.
  unwatch_kicks();
  report(error);
  registers_.status.fetch_or(kStatusDeviceNeedsReset);
  raise(mmio::kInterruptConfig);
}

void DeviceRunner::report(const Error& error) {
  uint64_t earlier = registers_.faults.fetch_add(1);
  if (earlier >= kMostFaultsLogged) return;
  if (error.code == ErrorCode::kGuest) {
    wiring_.log.warning("{}: the guest broke the device: {}", wiring_.name, error.message());
  } else {
    wiring_.log.error("{}: stopped: {}", wiring_.name, error.message());
  }
}

// The cause is set before the line is raised: the guest's handler reads it first.
void DeviceRunner::raise(uint32_t cause) {
  registers_.interrupt_status.fetch_or(cause);
  wiring_.irq.raise();
}

}  // namespace cloche::virtio
