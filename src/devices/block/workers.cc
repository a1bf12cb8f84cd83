#include "devices/block/workers.h"

#include <sys/epoll.h>

#include <system_error>
#include <utility>

namespace cloche::block {

Result<std::unique_ptr<Workers>> Workers::create(EventLoop& loop, unsigned most, Calls calls) {
  EventFd ready = TRY(EventFd::create());
  int fd = ready.fd();
  std::unique_ptr<Workers> workers(new Workers(loop, std::move(ready), most, std::move(calls)));
  TRY(loop.watch(fd, EPOLLIN, [raw = workers.get()](uint32_t) { raw->collect(); }));
  return workers;
}

Workers::Workers(EventLoop& loop, EventFd ready, unsigned most, Calls calls)
    : loop_(loop), ready_(std::move(ready)), most_(most), calls_(std::move(calls)) {}

Workers::~Workers() {
  loop_.unwatch(ready_.fd());
  {
    std::lock_guard lock(mutex_);
    waiting_.clear();
    ending_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

// One more where all are at work and this would have to wait.
bool Workers::need_thread() {
  std::lock_guard lock(mutex_);
  return waiting_.size() >= idle_ && threads_.size() < most_;
}

bool Workers::submit(Job& job) {
  if (need_thread()) {
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      if (threads_.empty()) return false;
    }
  }
  ++pending_;
  {
    std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(job));
  }
  wake_.notify_one();
  return true;
}

void Workers::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    wake_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
    --idle_;
    if (ending_) return;
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    ++busy_;
    lock.unlock();
    calls_.run(job);
    lock.lock();
    --busy_;
    finished_.push_back(std::move(job));
    if (finished_.size() == 1) ready_.signal();  // Else the loop has been told and not yet come.
    if (busy_ == 0) quiet_.notify_all();
  }
}

void Workers::collect() {
  ready_.drain();
  std::vector<Job> finished;
  {
    std::lock_guard lock(mutex_);
    finished = std::exchange(finished_, {});
  }
  pending_ -= finished.size();
  if (!finished.empty()) calls_.done(finished);
}

void Workers::finish() {
  {
    std::unique_lock lock(mutex_);
    quiet_.wait(lock, [this] { return busy_ == 0 && waiting_.empty(); });
  }
  collect();
}

void Workers::drain() {
  std::unique_lock lock(mutex_);
  waiting_.clear();
  quiet_.wait(lock, [this] { return busy_ == 0; });
  finished_.clear();
  ready_.drain();
  pending_ = 0;
}

}  // namespace cloche::block
