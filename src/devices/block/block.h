// virtio-blk (virtio 1.2, section 5.2): a disk of the guest, on an image of the host.
//
// What the host has in its cache is served at once, on the loop's thread. What may have to wait for the host's disk is
// done by threads of its own, so that a slow one holds up nobody else (Firecracker's issue 5260); they touch the disk
// and the guest's buffers, nothing of the device.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "base/log.h"
#include "devices/block/workers.h"
#include "virtio/device.h"

namespace cloche::block {

struct Options {
  std::string name;  // For the log.
  bool read_only = false;
  bool flushes = true;   // Whether the guest is told that it must flush.
  std::string serial{};  // At most kIdBytes.
};

class Block final : public virtio::Device {
 public:
  // Without a loop, which outlives it, everything is done on the caller's thread.
  static Result<std::unique_ptr<Block>> create(Options options, std::unique_ptr<Disk> disk, Log log,
                                               EventLoop* loop = nullptr);

  uint32_t id() const override;
  uint64_t features() const override;
  std::span<const uint16_t> queue_sizes() const override { return kQueueSizes; }
  void read_config(uint64_t offset, std::span<std::byte> out) const override;
  // A program's buffer may be a file of a share that it has mapped.
  bool takes_shared_buffers() const override { return true; }

  void activate(virtio::Driver& driver) override;
  void reset() override;  // Waits for what the host is doing.
  Result<virtio::Kick> on_kick(unsigned index, virtio::Queue& queue) override;
  // At the VM's end: what the guest has written is in the file when it returns, whether it was flushed or not.
  void settle();

  // The guest's requests in hand; for tests.
  size_t pending() const { return workers_ ? workers_->pending() : 0; }

 private:
  static constexpr uint16_t kQueueSize = 256;
  static constexpr std::array<uint16_t, 1> kQueueSizes{kQueueSize};
  static constexpr int kChainsPerKick = 32;
  // Header and status take a descriptor each.
  static constexpr uint32_t kMostPieces = kQueueSize - 2;
  // So that a request of that many pieces stays below Queue::kMaxChainBytes.
  static constexpr uint32_t kMostPieceBytes = 64 << 10;
  static_assert(uint64_t{kMostPieces} * kMostPieceBytes < virtio::Queue::kMaxChainBytes);
  // As many requests wait for the host's disk at a time.
  static constexpr unsigned kMostWorkers = 8;

  Block(Options options, std::unique_ptr<Disk> disk, Log log);
  void take(virtio::Queue& queue, Job job);
  void complete(virtio::Queue& queue, const Job& job);
  void finish(std::vector<Job>& jobs);

  Options options_;
  std::unique_ptr<Disk> disk_;
  Log log_;
  Config config_;
  Limits limits_;  // Changes in activate() only, when no worker runs.
  virtio::Driver* driver_ = nullptr;
  std::unique_ptr<Workers> workers_;  // Last: its threads use what is above.
};

}  // namespace cloche::block
