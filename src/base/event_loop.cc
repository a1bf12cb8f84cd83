#include "base/event_loop.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <future>

namespace cloche {
namespace {

constexpr int kEventsPerWait = 32;

uint64_t this_thread() { return static_cast<uint64_t>(::gettid()); }

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::create() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_errno("create an epoll set");
  EventFd wake = TRY(EventFd::create());
  std::unique_ptr<EventLoop> loop(new EventLoop(std::move(epoll), std::move(wake)));
  EventLoop* self = loop.get();
  TRY(self->watch(self->wake_.fd(), EPOLLIN, [self](uint32_t) { self->wake_.drain(); }));
  return loop;
}

Result<void> EventLoop::watch(int fd, uint32_t events, Callback callback) {
  epoll_event event{.events = events, .data = {.fd = fd}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) return fail_errno("watch a file descriptor");
  watches_[fd] = std::make_shared<Watch>(Watch{std::move(callback), events});
  return {};
}

Result<void> EventLoop::change(int fd, uint32_t events) {
  auto found = watches_.find(fd);
  if (found == watches_.end()) return fail(ErrorCode::kInternal, "change a watch that is not there");
  if (found->second->events == events) return {};
  epoll_event event{.events = events, .data = {.fd = fd}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) < 0) return fail_errno("change a watch");
  found->second->events = events;
  return {};
}

void EventLoop::unwatch(int fd) {
  auto found = watches_.find(fd);
  if (found == watches_.end()) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  found->second->callback = nullptr;  // A copy may stand in the batch being served.
  watches_.erase(found);
}

void EventLoop::post(std::function<void()> work) {
  {
    std::lock_guard lock(mutex_);
    posted_.push_back(std::move(work));
  }
  wake_.signal();
}

void EventLoop::call(const std::function<void()>& work) {
  {
    std::unique_lock lock(mutex_);
    if (running_ && thread_ != this_thread()) {
      std::promise<void> done;
      posted_.push_back([&] {
        work();
        done.set_value();
      });
      lock.unlock();
      wake_.signal();
      done.get_future().wait();
      return;
    }
  }
  work();
}

EventLoop::TimerId EventLoop::at(Clock::time_point when, std::function<void()> work) {
  TimerId id = next_timer_++;
  timers_.emplace(std::pair(when, id), std::move(work));
  return id;
}

void EventLoop::cancel(TimerId timer) {
  std::erase_if(timers_, [timer](const auto& entry) { return entry.first.second == timer; });
}

int EventLoop::wait_ms() const {
  if (timers_.empty()) return -1;
  auto left = timers_.begin()->first.first - Clock::now();
  auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::clamp<int64_t>(ms, 0, 60'000));
}

// Those that are set meanwhile come after what else there is to do: work that sets itself anew would never end.
void EventLoop::run_timers() {
  Clock::time_point now = Clock::now();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    auto work = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    work();
  }
}

void EventLoop::run_posted() {
  std::vector<std::function<void()>> work;
  {
    std::lock_guard lock(mutex_);
    work.swap(posted_);
  }
  for (auto& each : work) each();
}

Result<void> EventLoop::run() {
  {
    std::lock_guard lock(mutex_);
    thread_ = this_thread();
    running_ = true;
  }
  std::array<epoll_event, kEventsPerWait> events;
  Result<void> result;
  for (;;) {
    run_posted();
    run_timers();
    {
      std::lock_guard lock(mutex_);
      if (stopping_) break;  // Even where work posts itself anew for ever.
    }
    int count = ::epoll_wait(epoll_.get(), events.data(), kEventsPerWait, wait_ms());
    if (count < 0 && errno != EINTR) {
      result = fail_errno("wait for events");
      break;
    }
    std::array<std::shared_ptr<Watch>, kEventsPerWait> batch;
    for (int i = 0; i < count; ++i) {
      auto found = watches_.find(events[i].data.fd);
      if (found != watches_.end()) batch[i] = found->second;
    }
    for (int i = 0; i < count; ++i) {
      if (batch[i] && batch[i]->callback) {
        auto callback = batch[i]->callback;  // It may unwatch itself while it runs.
        callback(events[i].events);
      }
    }
  }
  // Whoever waits in call() must not wait for ever: what is still posted runs here, then call() runs in place.
  std::vector<std::function<void()>> rest;
  {
    std::lock_guard lock(mutex_);
    running_ = false;
    stopping_ = false;
    rest.swap(posted_);
  }
  for (auto& each : rest) each();
  return result;
}

void EventLoop::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.signal();
}

}  // namespace cloche
