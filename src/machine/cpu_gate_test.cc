#include "machine/cpu_gate.h"

#include <gtest/gtest.h>

#include <thread>

namespace cloche {
namespace {

// A "vCPU" that goes in and out until told to end, and counts its stays.
class CpuGateTest : public ::testing::Test {
 protected:
  void TearDown() override {
    ending_ = true;
    gate_.open();
    cpu_.join();
  }
  void wait_for_more() {
    uint64_t before = stays_;
    while (stays_ == before) std::this_thread::yield();
  }
  CpuGate gate_;
  std::atomic<uint64_t> stays_ = 0;
  std::atomic<bool> inside_ = false, ending_ = false;
  std::thread cpu_{[this] {
    while (!ending_) {
      gate_.enter();
      inside_ = true;
      ++stays_;
      inside_ = false;
      gate_.leave();
    }
  }};
};

TEST_F(CpuGateTest, NobodyIsInsideWhileItIsShut) {
  for (int round = 0; round < 2'000; ++round) {
    gate_.shut();
    gate_.wait_outside();
    uint64_t before = stays_;
    EXPECT_FALSE(inside_);
    if (round % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(stays_, before);
    gate_.open();
  }
  wait_for_more();
}

TEST_F(CpuGateTest, ShutAndOpenedTwiceIsAsOnce) {
  gate_.shut();
  gate_.shut();
  gate_.wait_outside();
  gate_.wait_outside();
  gate_.open();
  gate_.open();
  wait_for_more();
}

TEST_F(CpuGateTest, OneThatWaitsInsideIsWaitedFor) {
  CpuGate gate;
  std::atomic<bool> kicked = false;
  std::atomic<bool> left_after_kick = false;
  std::atomic<bool> entered = false;
  std::thread cpu([&] {
    gate.enter();
    entered = true;
    while (!kicked) std::this_thread::yield();
    left_after_kick = true;
    gate.leave();
  });
  while (!entered) std::this_thread::yield();
  gate.shut();
  kicked = true;
  gate.wait_outside();
  EXPECT_TRUE(left_after_kick);
  cpu.join();
}

}  // namespace
}  // namespace cloche
