#include "devices/vhost_user/front_end.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/endian.h"

namespace cloche::vhost_user {
namespace {

// Of the ring's features, those that need nothing of the transport: packed rings, their order and their reset do.
constexpr uint64_t kRing = virtio::kRingFeatures;
// Bits 0 to 23 and 50 to 63 are the device's own (section 2.2).
constexpr uint64_t kOwn = 0xff'ffff | ~0ull << 50;

std::vector<uint16_t> sizes_of(const std::vector<uint16_t>& given, size_t queues) {
  std::vector<uint16_t> sizes = given.empty() ? std::vector<uint16_t>{FrontEnd::kUsualQueueSize} : given;
  sizes.resize(queues, sizes.back());
  return sizes;
}

// EventFd::drain() for one that another process has too, and may have made wait for what to read (F_SETFL): this does
// not (Linux 5.8).
bool drain_shared(const EventFd& event) {
  uint64_t count = 0;
  iovec whole{&count, sizeof count};
  ssize_t got;
  do {
    got = ::preadv2(event.fd(), &whole, 1, -1, RWF_NOWAIT);
  } while (got < 0 && errno == EINTR);
  return got == sizeof count;
}

}  // namespace

FrontEnd::FrontEnd(Options options, BackEnd back_end, Place place)
    : options_(std::move(options)),
      kind_(kind_of(options_.type)),
      back_end_(std::move(back_end)),
      place_(std::move(place)) {}

FrontEnd::~FrontEnd() { unwatch(); }

Result<std::unique_ptr<FrontEnd>> FrontEnd::create(Options options, BackEnd back_end, Place place) {
  std::unique_ptr<FrontEnd> made(new FrontEnd(std::move(options), std::move(back_end), std::move(place)));
  TRY(made->meet());
  return made;
}

Result<void> FrontEnd::meet() {
  assert(place_.memory.file() >= 0);
  back_end_.begin();
  std::optional<uint64_t> most = TRY(back_end_.queue_count());
  if (most == 0) return fail(ErrorCode::kProtocol, "the vhost-user back end has no queue");
  if (most && kind_.counts_pairs) most = std::min<uint64_t>(*most, kMostQueues) * 2;
  uint64_t queues = options_.queues;
  if (queues == 0)
    queues = kind_.counts_pairs ? kind_.queues : std::min<uint64_t>(most.value_or(kind_.queues), kMostQueues);
  if (most && queues > *most)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} queues are wanted, and the vhost-user back end has {}", queues, *most));
  sizes_ = sizes_of(options_.queue_sizes, queues);
  config_ = TRY(ask_config());
  limit_queues(config_);
  for (size_t i = 0; i < sizes_.size(); ++i) calls_.push_back(TRY(EventFd::create()));
  TRY(place_.loop.watch(back_end_.fd(), EPOLLRDHUP,
                        [this](uint32_t) { lose({ErrorCode::kHost, 0, "the vhost-user back end hung up"}); }));
  watched_ = back_end_.fd();
  return {};
}

Result<std::vector<std::byte>> FrontEnd::ask_config() {
  for (uint16_t size : kind_.config_sizes) {
    if (size == 0) break;
    std::vector<std::byte> config = TRY(back_end_.config(size));
    if (!config.empty()) return config;
  }
  return std::vector<std::byte>();
}

// A driver that is told of a queue which it does not find gives up.
void FrontEnd::limit_queues(std::span<std::byte> config) const {
  auto [offset, bytes, others] = kind_.count;
  if (bytes == 0 || config.size() < size_t{offset} + bytes) return;
  std::span<std::byte> field = config.subspan(offset, bytes);
  le32 told{0};
  std::memcpy(&told, field.data(), field.size());
  le32 here{static_cast<uint32_t>(sizes_.size() - std::min<size_t>(others, sizes_.size()))};
  if (told > here) std::memcpy(field.data(), &here, field.size());
}

uint64_t FrontEnd::features() const {
  uint64_t impossible = kind_.impossible;
  std::lock_guard lock(config_mutex_);
  if (config_.empty()) impossible |= kind_.in_config;
  return back_end_.features() & kOwn & ~impossible;
}

uint64_t FrontEnd::ring_features() const { return back_end_.features() & kRing; }

void FrontEnd::read_config(uint64_t offset, std::span<std::byte> out) const {
  std::lock_guard lock(config_mutex_);
  virtio::read_config_bytes(config_, offset, out);
}

// What config space holds may depend on what was written to it, as an input device's does.
void FrontEnd::write_config(uint64_t offset, std::span<const std::byte> data) {
  size_t size = config_.size();
  if (lost_ || offset > size || data.size() > size - offset) return;
  auto write = [&]() -> Result<std::vector<std::byte>> {
    back_end_.begin();
    auto written = back_end_.set_config(static_cast<uint32_t>(offset), data);
    // A refusal is its way to say that the guest may not write there.
    if (!written && back_end_.fd() < 0) return std::unexpected(std::move(written).error());
    return back_end_.config(size);
  };
  auto config = write();
  if (!config) return lose(std::move(config).error());
  limit_queues(*config);
  std::lock_guard lock(config_mutex_);
  if (config->size() == size) config_ = std::move(*config);
}

void FrontEnd::activate(virtio::Driver& driver) {
  driver_ = &driver;
  if (lost_) return driver.fault(*lost_);
  if (auto started = start(); !started) lose(std::move(started).error());
}

Result<void> FrontEnd::start() {
  back_end_.begin();
  TRY(back_end_.set_features(driver_->features()));
  std::vector<SharedRegion> regions;
  for (const MemoryRegion& region : place_.memory.regions())
    regions.push_back({region.start.value, region.bytes.size(), place_.memory.file(), region.file_offset});
  TRY(back_end_.set_memory(regions));
  for (unsigned index = 0; index < sizes_.size(); ++index) {
    if (driver_->queue(index).ready()) TRY(start_queue(index));
  }
  return {};
}

Result<void> FrontEnd::start_queue(unsigned index) {
  const virtio::QueueLayout& layout = driver_->queue(index).layout();
  started_.push_back(index);
  drain_shared(calls_[index]);  // A late one belonged to the driver before.
  TRY(place_.loop.watch(calls_[index].fd(), EPOLLIN, [this, index](uint32_t) {
    if (drain_shared(calls_[index])) driver_->pass_interrupt();
  }));
  return back_end_.start({.index = index,
                          .size = layout.size,
                          .descriptors = layout.descriptors.value,
                          .available = layout.driver_ring.value,
                          .used = layout.device_ring.value,
                          .kick_fd = driver_->kick_fd(index),
                          .call_fd = calls_[index].fd()});
}

void FrontEnd::reset() {
  driver_ = nullptr;
  if (lost_) return;
  if (auto stopped = stop(); !stopped) lose(std::move(stopped).error().in("reset"));
}

Result<void> FrontEnd::stop() {
  back_end_.begin();
  for (unsigned index : std::exchange(started_, {})) {
    place_.loop.unwatch(calls_[index].fd());
    TRY(back_end_.stop(index));
  }
  return {};
}

// For good: who has answered wrongly once is not asked again.
void FrontEnd::lose(Error error) {
  unwatch();
  back_end_.close();
  lost_ = std::move(error);
  if (driver_ != nullptr)
    driver_->fault(*lost_);
  else
    place_.log.error("vhost-user {}: {}", options_.name, lost_->message());
}

void FrontEnd::unwatch() {
  for (const EventFd& call : calls_) place_.loop.unwatch(call.fd());
  if (watched_ >= 0) place_.loop.unwatch(std::exchange(watched_, -1));
}

// The transport never calls it for who is served elsewhere.
Result<virtio::Kick> FrontEnd::on_kick(unsigned, virtio::Queue&) { return virtio::Kick::kDone; }

}  // namespace cloche::vhost_user
