// An epoll loop: one thread, many descriptors. All devices of a VM live on the thread that calls run().
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/fd.h"

namespace cloche {

class EventLoop {
 public:
  using Callback = std::function<void(uint32_t events)>;  // EPOLLIN, EPOLLOUT, EPOLLHUP ... as epoll reports them.
  using Clock = std::chrono::steady_clock;
  using TimerId = uint64_t;

  static Result<std::unique_ptr<EventLoop>> create();

  // Calls back on the loop's thread while `fd` has one of `events` (level-triggered). One watch per descriptor. An fd
  // that epoll refuses (a regular file, EPERM) is an error: such files are always ready and need no watch. Loop thread,
  // or before run().
  Result<void> watch(int fd, uint32_t events, Callback callback);
  // Changes what is waited for; 0 keeps the watch and waits for errors and hang-up only (epoll always reports those).
  Result<void> change(int fd, uint32_t events);
  // Ends the watch; unknown descriptors are ignored. No call for it comes after this, not even one already collected.
  void unwatch(int fd);

  // Runs `work` once on the loop's thread, soon. Any thread.
  void post(std::function<void()> work);
  // Runs `work` on the loop's thread and waits for it; directly when called on that thread or when the loop does not
  // run.
  void call(const std::function<void()>& work);
  // Runs `work` once at `when`. Loop thread, or before run().
  TimerId at(Clock::time_point when, std::function<void()> work);
  void cancel(TimerId timer);

  // Serves until stop(). The thread that calls it becomes the loop's thread.
  Result<void> run();
  void stop();  // Any thread; what was posted before it is still run.

 private:
  struct Watch {
    Callback callback;
    uint32_t events = 0;
  };
  EventLoop(Fd epoll, EventFd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)) {}
  void run_posted();
  void run_timers();
  int wait_ms() const;

  Fd epoll_;
  EventFd wake_;
  std::unordered_map<int, std::shared_ptr<Watch>> watches_;
  std::map<std::pair<Clock::time_point, TimerId>, std::function<void()>> timers_;
  TimerId next_timer_ = 1;
  std::mutex mutex_;  // Guards posted_, running_ and stopping_: the one place where other threads reach in.
  std::vector<std::function<void()>> posted_;
  bool running_ = false;
  bool stopping_ = false;
  uint64_t thread_ = 0;
};

}  // namespace cloche
