// BehindGuest: the calling thread serves devices and leaves the processor to the vCPUs, while this lives.
//
// It matters where the process has a single processor: each wakeup would take that from the vCPU in the middle of its
// work, and serve the one packet that is there. As SCHED_BATCH (sched(7)) a thread that is woken waits until the one
// that runs waits for something or has had its turn. With more processors, or another policy of the caller's, nothing
// is changed. Threads that are made meanwhile inherit it.
#pragma once

namespace cloche {

class BehindGuest {
 public:
  BehindGuest();
  ~BehindGuest();
  BehindGuest(const BehindGuest&) = delete;
  BehindGuest& operator=(const BehindGuest&) = delete;

 private:
  bool is_behind_ = false;
};

}  // namespace cloche
