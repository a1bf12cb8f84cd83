#include "devices/block/block.h"

#include <fmt/format.h>

#include <algorithm>

#include "virtio/spec.h"

namespace cloche::block {

Result<std::unique_ptr<Block>> Block::create(Options options, std::unique_ptr<Disk> disk, Log log, EventLoop* loop) {
  if (options.serial.size() > kIdBytes)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("a disk's serial must be of {} bytes at most: \"{}\"", kIdBytes, options.serial));
  std::unique_ptr<Block> block(new Block(std::move(options), std::move(disk), std::move(log)));
  if (loop == nullptr) return block;
  Block* raw = block.get();
  unsigned most = block->disk_->concurrent() ? kMostWorkers : 1;
  Workers::Calls calls{.run = [raw](Job& job) { execute(job, *raw->disk_, raw->limits_); },
                       .done = [raw](std::vector<Job>& jobs) { raw->finish(jobs); }};
  block->workers_ = TRY(Workers::create(*loop, most, std::move(calls)));
  return block;
}

Block::Block(Options options, std::unique_ptr<Disk> disk, Log log)
    : options_(std::move(options)), disk_(std::move(disk)), log_(std::move(log)) {
  limits_.sectors = disk_->size() / kSectorBytes;
  limits_.read_only = options_.read_only;
  std::ranges::copy(options_.serial, limits_.id.begin());
  config_.capacity = limits_.sectors;
  config_.size_max = kMostPieceBytes;
  config_.seg_max = kMostPieces;
  config_.blk_size = static_cast<uint32_t>(kSectorBytes);
  config_.num_queues = uint16_t{1};
  if (options_.read_only) return;
  config_.max_discard_sectors = Limits::kMostDiscardSectors;
  config_.max_discard_seg = Limits::kMostSegments;
  config_.discard_sector_alignment = uint32_t{4096 / kSectorBytes};  // A block of the host's file systems.
  config_.max_write_zeroes_sectors = Limits::kMostZeroSectors;
  config_.max_write_zeroes_seg = 1;
  config_.write_zeroes_may_unmap = 1;
}

uint32_t Block::id() const { return virtio::kIdBlock; }

uint64_t Block::features() const {
  uint64_t features = kFeatureSizeMax | kFeatureSegMax | kFeatureBlkSize;
  if (options_.read_only) return features | kFeatureReadOnly;
  if (options_.flushes) features |= kFeatureFlush;
  return features | kFeatureDiscard | kFeatureWriteZeroes;
}

void Block::read_config(uint64_t offset, std::span<std::byte> out) const {
  virtio::read_config_bytes(std::as_bytes(std::span(&config_, 1)), offset, out);
}

void Block::activate(virtio::Driver& driver) {
  driver_ = &driver;
  limits_.write_through = (features() & ~driver.features() & kFeatureFlush) != 0;
}

void Block::reset() {
  if (workers_) workers_->drain();
  driver_ = nullptr;
}

void Block::settle() {
  if (workers_) workers_->finish();
  if (auto settled = disk_->settle(); !settled) log_.warning("disk {}: {}", options_.name, settled.error().message());
}

Result<virtio::Kick> Block::on_kick(unsigned, virtio::Queue& queue) {
  for (int served = 0; served < kChainsPerKick; ++served) {
    auto chain = TRY(queue.pop());  // Checked: in range, acyclic, at most kMaxChainBytes.
    if (!chain) return virtio::Kick::kDone;
    take(queue, TRY(parse(std::move(*chain))));
  }
  return virtio::Kick::kMore;
}

void Block::take(virtio::Queue& queue, Job job) {
  // A disk that is not for many threads is ours while no worker has anything to do.
  bool free = !workers_ || workers_->pending() == 0 || disk_->concurrent();
  bool done = free && execute_at_once(job, *disk_, limits_);
  if (!done && workers_ && workers_->submit(job)) return;
  if (!done) execute(job, *disk_, limits_);
  complete(queue, job);
}

void Block::complete(virtio::Queue& queue, const Job& job) {
  queue.push(job.chain.head, job.written);
  if (!job.reason.empty()) log_.warning("disk {}: {}", options_.name, job.reason);
}

void Block::finish(std::vector<Job>& jobs) {
  if (driver_ == nullptr) return;
  for (const Job& job : jobs) complete(driver_->queue(0), job);
  driver_->interrupt(0);
}

}  // namespace cloche::block
