// CpuGate: keeps a vCPU out of its guest while the VM is paused.
#pragma once

#include <atomic>

namespace cloche {

// Each side writes its flag and then reads the other's, in one order for all: whichever comes second sees the first. So
// passing an open gate takes no lock.
class CpuGate {
 public:
  // The vCPU's thread, around each stay in the guest. enter() waits while the gate is shut.
  void enter() {
    for (;;) {
      inside_ = true;
      if (!shut_) return;
      leave();
      shut_.wait(true);
    }
  }
  void leave() {
    inside_ = false;
    if (shut_) inside_.notify_one();
  }

  // One other thread. After shut() nobody enters; whoever is inside stays until kicked out, which wait_outside()
  // awaits.
  void shut() { shut_ = true; }
  void wait_outside() { inside_.wait(true); }
  void open() {
    shut_ = false;
    shut_.notify_one();
  }

 private:
  std::atomic<bool> inside_ = false;
  std::atomic<bool> shut_ = false;
};

}  // namespace cloche
