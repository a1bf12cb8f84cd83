// The two places where the queue's sides could miss each other: a kick not sent, an interrupt not raised. What is
// looked for is rare, so a pass on a busy machine proves little; a failure is always real.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "virtio/queue.h"
#include "virtio/testing/fake_driver.h"

namespace cloche::virtio {
namespace {

struct Rig {
  Rig() { ring.describe(0, {.address = FakeMemory::kBuffers, .length = 1}); }
  FakeMemory memory;
  FakeRing ring{memory, 0, 1};
  Queue queue = Queue::create(memory.guest(), ring.layout(), 1, {.indirect = false, .event_index = true}).value();
};

// Two threads, a queue of one descriptor, and each side fast after the other: a lost wake-up leaves both waiting.
struct Race {
  static constexpr uint32_t kRequests = 100'000;
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  std::atomic<bool> failed = false;

  // Waits for `condition`; busily at first, since the race is in the first instants.
  bool wait(auto condition) {
    for (unsigned turns = 0; !condition(); ++turns) {
      if (turns < 1000) continue;
      if (failed || std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
};

// Passes some hundred nanoseconds at most, another count of them each time, so that the threads meet at every distance.
void dawdle(uint32_t turn) {
  for (uint32_t i = 0; i < turn % 509; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
}

TEST(QueueRace, NoKickIsLostBetweenThreads) {
  Rig rig;
  Race race;
  std::atomic<bool> kicked = false;
  std::thread device([&] {
    for (uint32_t served = 0; served < Race::kRequests;) {
      if (!race.wait([&] { return kicked.exchange(false); })) return;
      for (;;) {
        auto chain = rig.queue.pop();
        if (!chain) race.failed = true;
        if (!chain || !*chain) break;
        rig.queue.push(0, ++served);
        dawdle(served);
      }
    }
  });
  for (uint32_t i = 0; i < Race::kRequests; ++i) {
    rig.ring.publish(0);
    if (rig.ring.take_kick_wanted()) kicked = true;
    auto done = static_cast<uint16_t>(i + 1);
    if (!race.wait([&] { return rig.ring.used_index() == done; })) race.failed = true;
    if (race.failed) break;
  }
  EXPECT_FALSE(race.failed);
  device.join();
}

TEST(QueueRace, NoInterruptIsLostBetweenThreads) {
  Rig rig;
  Race race;
  std::atomic<bool> interrupted = false;
  std::thread device([&] {
    for (uint32_t served = 0; served < Race::kRequests; ++served) {
      if (!race.wait([&] { return rig.queue.has_available(); })) return;
      if (!rig.queue.pop()) race.failed = true;
      if (race.failed) return;
      rig.queue.push(0, 0);
      if (rig.queue.take_interrupt()) interrupted = true;
    }
  });
  for (uint32_t i = 0; i < Race::kRequests && !race.failed; ++i) {
    auto before = static_cast<uint16_t>(i);
    rig.ring.publish(0);
    dawdle(i);
    rig.ring.set_used_event(before);  // "Interrupt me at the next one", then look once more, then sleep.
    if (rig.ring.used_index() != before) continue;
    if (!race.wait([&] { return interrupted.exchange(false) && rig.ring.used_index() != before; })) race.failed = true;
  }
  EXPECT_FALSE(race.failed);
  device.join();
}

}  // namespace
}  // namespace cloche::virtio
