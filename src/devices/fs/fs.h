// virtio-fs (virtio 1.2, section 5.11): host files in the guest, through a FUSE server of our own (protocol 7.31
// to 7.38).
//
// The guest is hostile: whatever it sends, it reaches the files of the share and no others, and only regular files and
// directories are ever opened.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "base/event_loop.h"
#include "base/log.h"
#include "devices/fs/node.h"
#include "devices/fs/options.h"
#include "virtio/device.h"

namespace cloche::fs {

struct Session;

class Fs final : public virtio::Device {
 public:
  // `root` is what the guest sees as the share's root. To be called in the process that serves the share: it keeps that
  // process's /proc/self/fd open. Works as the user of the calling thread; as root, new files belong to the guest's
  // user who made them.
  // `loop`, where given, outlives it: its timers look whether a lock that a host program held has become free, and
  // whether files in the DAX window have become shorter.
  static Result<std::unique_ptr<Fs>> create(Options options, Node root, Log log, EventLoop* loop = nullptr);
  ~Fs() override;

  uint32_t id() const override { return 26; }
  std::span<const uint16_t> queue_sizes() const override { return kQueueSizes; }
  void read_config(uint64_t offset, std::span<std::byte> out) const override;
  std::span<std::byte> shared_memory() const override;  // The DAX window.
  bool takes_shared_buffers() const override { return true; }

  void activate(virtio::Driver& driver) override { driver_ = &driver; }
  void reset() override;
  Result<virtio::Kick> on_kick(unsigned index, virtio::Queue& queue) override;

  // The guest could not access something in the window: puts memory where files of the host have become shorter.
  // How often that has been done so far. Loop thread.
  uint64_t repair_window();

 private:
  // High priority (FORGET) and requests: of these, a chain holds 256 pages with its headers (request.h, kMostVectors).
  static constexpr std::array<uint16_t, 2> kQueueSizes{128, 512};
  static constexpr size_t kTagBytes = 36;
  static constexpr int kChainsPerKick = 16;  // Of up to 1 MiB each.

  // Requests that wait for a lock at once; beyond them it is ENOLCK, as they occupy the queue.
  static constexpr size_t kMostWaiting = 64;
  static constexpr std::chrono::milliseconds kRetry{20};
  // How long the guest waits, at most, for memory in place of the end of a file that has become shorter. An access
  // there is not told to us: the host's kernel takes it for a page that it has to wait for (asynchronous page faults,
  // which KVM has for guests that know nothing of them too), and tries for ever.
  static constexpr std::chrono::milliseconds kLookForShrunken{100};

  // A request that waits, and where it came from.
  struct Waiting {
    unsigned index;
    virtio::Chain chain;
    uint64_t unique;
  };

  explicit Fs(std::unique_ptr<Session> session, EventLoop* loop);
  void take(unsigned index, virtio::Queue& queue, virtio::Chain chain);
  void finish(const Waiting& waiting, uint32_t written);
  void end_interrupted();
  void retry();
  void set_timer();
  void watch_window();
  void cancel_timers();

  std::unique_ptr<Session> session_;
  EventLoop* loop_;
  virtio::Driver* driver_ = nullptr;
  std::vector<Waiting> waiting_;
  uint64_t repairs_ = 0;  // Of the window.
  std::optional<EventLoop::TimerId> timer_, window_timer_;
  std::array<std::byte, kTagBytes + sizeof(uint32_t)> config_{};
};

}  // namespace cloche::fs
