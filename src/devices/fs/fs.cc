#include "devices/fs/fs.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/endian.h"
#include "devices/fs/dax_files.h"
#include "devices/fs/dispatch.h"
#include "devices/fs/session.h"

namespace cloche::fs {

Result<std::unique_ptr<Fs>> Fs::create(Options options, Node root, Log log, EventLoop* loop) {
  if (options.tag.empty() || options.tag.size() > kTagBytes) {
    return fail(ErrorCode::kInvalidArgument, "a share's tag must be of 1 to 36 bytes: \"" + options.tag + "\"");
  }
  if (options.entry_timeout.count() < 0 || options.attribute_timeout.count() < 0) {
    return fail(ErrorCode::kInvalidArgument, "a share's timeouts cannot be negative");
  }
  SelfFd self = TRY(SelfFd::create());
  InodeTable inodes = TRY(InodeTable::create(std::move(root), options.descriptors.paths));
  for (Injection& injection : options.injected) TRY(inodes.inject(std::move(injection)));
  options.injected.clear();
  inodes.for_each_host_leaf([&](const Inode& leaf) {
    if (leaf.sealed) log.warning("fs {}: a shared directory of the host's kernel is shown empty", options.tag);
  });
  auto session = std::make_unique<Session>(std::move(options), std::move(log), std::move(self), std::move(inodes));
  session->body = TRY(Mmap::anonymous(kMaxBodyBytes));
  session->scratch = TRY(Mmap::anonymous(kMaxBodyBytes));
  session->as_root = acts_as_root();
  if (uint64_t size = session->options.dax_window_bytes; size != 0) session->window = TRY(DaxWindow::create(size));
  return std::unique_ptr<Fs>(new Fs(std::move(session), loop));
}

Fs::Fs(std::unique_ptr<Session> session, EventLoop* loop) : session_(std::move(session)), loop_(loop) {
  const std::string& tag = session_->options.tag;
  std::memcpy(config_.data(), tag.data(), tag.size());
  le32 request_queues = 1;
  std::memcpy(config_.data() + kTagBytes, &request_queues, sizeof request_queues);
}

Fs::~Fs() { cancel_timers(); }

void Fs::read_config(uint64_t offset, std::span<std::byte> out) const {
  virtio::read_config_bytes(config_, offset, out);
}

std::span<std::byte> Fs::shared_memory() const {
  return session_->window ? session_->window->bytes() : std::span<std::byte>();
}

uint64_t Fs::repair_window() {
  if (cut_shrunken(*session_)) ++repairs_;
  return repairs_;
}

void Fs::reset() {
  cancel_timers();
  waiting_.clear();
  driver_ = nullptr;
  session_->end();
}

Result<virtio::Kick> Fs::on_kick(unsigned index, virtio::Queue& queue) {
  for (int served = 0; served < kChainsPerKick; ++served) {
    auto chain = TRY(queue.pop());  // Checked: in range, acyclic, at most kMaxChainBytes.
    if (!chain) return virtio::Kick::kDone;
    take(index, queue, std::move(*chain));
  }
  return virtio::Kick::kMore;
}

void Fs::take(unsigned index, virtio::Queue& queue, virtio::Chain chain) {
  auto written = serve(*session_, chain);
  watch_window();
  if (!written && waiting_.size() >= kMostWaiting) written = answer_error(chain, ENOLCK);
  if (written) {
    queue.push(chain.head, *written);
  } else {
    uint64_t unique = unique_of(chain);
    waiting_.push_back({index, std::move(chain), unique});
    set_timer();
  }
  if (waiting_.empty()) return;
  if (session_->interrupted != 0) end_interrupted();
  if (session_->locks_changed) retry();
}

void Fs::finish(const Waiting& waiting, uint32_t written) {
  driver_->queue(waiting.index).push(waiting.chain.head, written);
  driver_->interrupt(waiting.index);
}

void Fs::end_interrupted() {
  uint64_t unique = std::exchange(session_->interrupted, 0);
  auto waits = std::ranges::find(waiting_, unique, &Waiting::unique);
  if (waits == waiting_.end()) return;
  finish(*waits, answer_error(waits->chain, EINTR));
  waiting_.erase(waits);
}

// In the order they came.
void Fs::retry() {
  session_->locks_changed = false;
  std::erase_if(waiting_, [this](const Waiting& waiting) {
    auto written = serve(*session_, waiting.chain);
    if (written) finish(waiting, *written);
    return written.has_value();
  });
}

void Fs::set_timer() {
  if (loop_ == nullptr || timer_) return;
  timer_ = loop_->at(EventLoop::Clock::now() + kRetry, [this] {
    timer_.reset();
    retry();
    if (!waiting_.empty()) set_timer();
  });
}

void Fs::watch_window() {
  if (loop_ == nullptr || window_timer_ || !session_->window || !session_->window->any_mapped()) return;
  window_timer_ = loop_->at(EventLoop::Clock::now() + kLookForShrunken, [this] {
    window_timer_.reset();
    repair_window();
    watch_window();
  });
}

void Fs::cancel_timers() {
  for (auto* timer : {&timer_, &window_timer_}) {
    if (*timer) loop_->cancel(**timer);
    timer->reset();
  }
}

}  // namespace cloche::fs
