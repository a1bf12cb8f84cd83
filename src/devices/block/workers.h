// Workers: the threads that wait for the host's disk, so that the event loop does not. They are started when there is
// the first thing to wait for: many disks never need one.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/event_loop.h"
#include "devices/block/job.h"

namespace cloche::block {

class Workers {
 public:
  struct Calls {
    std::function<void(Job&)> run;                // On a thread of ours.
    std::function<void(std::vector<Job>&)> done;  // On the loop's.
  };

  // At most `most` threads. `loop` outlives it.
  static Result<std::unique_ptr<Workers>> create(EventLoop& loop, unsigned most, Calls calls);
  ~Workers();  // Waits for what is being done; drops the rest.
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Loop thread. Begun in this order. False: no thread can be started, and the job is as it was.
  bool submit(Job& job);
  size_t pending() const { return pending_; }  // Given to submit() and not to `done`.
  // Loop thread. Waits until all that was given to submit() is done, and hands it to `done`.
  void finish();
  // Loop thread. Waits until nothing is being done, and drops what was not begun: `done` is not called for any of it.
  void drain();

 private:
  Workers(EventLoop& loop, EventFd ready, unsigned most, Calls calls);
  bool need_thread();
  void work();
  void collect();

  EventLoop& loop_;
  EventFd ready_;
  unsigned most_;
  Calls calls_;
  size_t pending_ = 0;  // Loop thread.
  std::vector<std::thread> threads_;

  std::mutex mutex_;  // Guards what follows: all that the threads share.
  std::condition_variable wake_, quiet_;
  std::deque<Job> waiting_;
  std::vector<Job> finished_;
  unsigned idle_ = 0, busy_ = 0;
  bool ending_ = false;
};

}  // namespace cloche::block
