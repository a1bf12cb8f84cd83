#include "carrier/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

namespace cloche::carrier {

struct Output::State {
  State(int descriptor, Fd waker) : fd(descriptor), wake(std::move(waker)) {}
  const int fd;
  const Fd wake;  // An eventfd.
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::byte> pending;  // Guarded by mutex, as the rest.
  size_t written = 0;
  bool busy = false;
  bool broken = false;
  bool abandoned = false;

  void run() {
    std::vector<std::byte> batch;
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [this] { return abandoned || !pending.empty(); });
      if (abandoned) return;
      batch.clear();
      batch.swap(pending);
      busy = true;
      lock.unlock();
      bool failed = !write_full(fd, batch).has_value();
      lock.lock();
      busy = false;
      written += batch.size();
      broken = broken || failed;
      uint64_t one = 1;
      (void)!::write(wake.get(), &one, sizeof one);
    }
  }
};

Result<Output> Output::create(int fd, const EventFd& wake) {
  int copy = ::fcntl(wake.fd(), F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return fail_errno("duplicate an eventfd");
  auto state = std::make_shared<State>(fd, Fd(copy));
  try {
    std::thread([state] { state->run(); }).detach();
  } catch (const std::system_error& error) {
    return fail(ErrorCode::kHost, "start a thread", error.code().value());
  }
  return Output(std::move(state));
}

Output::~Output() {
  if (!state_) return;
  std::lock_guard lock(state_->mutex);
  state_->abandoned = true;
  state_->changed.notify_one();
}

void Output::put(std::span<const std::byte> data) {
  std::lock_guard lock(state_->mutex);
  if (state_->broken) {
    state_->written += data.size();
    return;
  }
  state_->pending.insert(state_->pending.end(), data.begin(), data.end());
  state_->changed.notify_one();
}

size_t Output::take_written() {
  std::lock_guard lock(state_->mutex);
  return std::exchange(state_->written, 0);
}

bool Output::idle() const {
  std::lock_guard lock(state_->mutex);
  return state_->broken || (state_->pending.empty() && !state_->busy);
}

bool Output::broken() const {
  std::lock_guard lock(state_->mutex);
  return state_->broken;
}

}  // namespace cloche::carrier
