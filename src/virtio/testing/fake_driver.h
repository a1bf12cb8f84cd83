// The guest's half of virtio in plain memory, for tests and fuzzers. Three layers, each usable alone:
//   FakeMemory  guest memory with an allocator for buffers;
//   FakeRing    the driver's side of one queue: requests in, replies out, and raw pokes for a hostile guest;
//   FakeDriver  a whole driver for one Device, without transport and threads.
//
//   Rng rng(fill);
//   FakeDriver driver(rng);                              // Activated, all features acknowledged, all queues ready.
//   auto reply = driver.send(0, {}, 16);                 // Add a chain, kick, wait for it: 16 writable bytes.
//   ASSERT_TRUE(reply);                                  // Nothing when the device kept the chain or faulted.
//   EXPECT_EQ(reply->bytes.size(), 16u);
//
//   driver.offer(kRx, 4096);                             // A buffer for the device to fill when it likes.
//   driver.kick(kRx);
//   for (FakeReply& reply : driver.collect(kRx)) ...     // What came back since.
//
//   driver.ring(0).describe(3, {.address = ~0ull, .length = 9});  // Hostile: whatever bytes we like,
//   driver.ring(0).publish(3);                                    // published,
//   driver.kick(0);                                               // and kicked.
//   EXPECT_TRUE(driver.faulted());
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cassert>
#include <cstring>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/endian.h"
#include "virtio/device.h"
#include "virtio/spec.h"

namespace cloche::virtio {

using Bytes = std::vector<std::byte>;

// The bytes of a plain struct, as a request carries them.
template <typename T>
Bytes bytes_of(const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  Bytes bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

// Guest memory of one region at address 0: rings in its first part, buffers above. Untouched pages cost nothing.
class FakeMemory {
 public:
  static constexpr uint64_t kRingSpan = 1 << 20;  // Room for the three rings of a queue of the largest size.
  static constexpr unsigned kMaxQueues = 16;
  static constexpr uint64_t kBuffers = kRingSpan * kMaxQueues;
  static constexpr uint64_t kSize = 128 << 20;

  explicit FakeMemory(GuestMemory::Sharing sharing = GuestMemory::Sharing::kPrivate)
      : memory_(GuestMemory::create(std::array{GuestMemory::Range{{0}, kSize}}, sharing).value()) {}

  const GuestMemory& guest() const { return memory_; }
  // Shared memory of a device, behind the buffers.
  GuestAddr add_window(std::span<std::byte> bytes) {
    memory_.add_window({{kSize}, bytes});
    return {kSize};
  }

  // Free room for `size` bytes, contents undefined; given back with release(). First fit, 16-byte aligned.
  GuestAddr allocate(uint64_t size) {
    uint64_t start = kBuffers;
    for (const auto& [used, length] : used_) {
      if (used - start >= size) break;
      start = (used + length + 15) & ~15ull;
    }
    assert(start + size <= kSize && "the fake guest is out of memory");
    if (size != 0) used_[start] = size;
    return {start};
  }
  void release(GuestAddr address) { used_.erase(address.value); }
  void release_all() { used_.clear(); }

  std::span<std::byte> at(GuestAddr address, uint64_t size) const { return memory_.range(address, size).value(); }
  GuestAddr place(std::span<const std::byte> bytes) {
    GuestAddr address = allocate(bytes.size());
    if (!bytes.empty()) std::memcpy(at(address, bytes.size()).data(), bytes.data(), bytes.size());
    return address;
  }

 private:
  GuestMemory memory_;
  std::map<uint64_t, uint64_t> used_;  // Start and size of buffers in use.
};

// One chain to be: buffers for the device to read, then sizes of buffers for it to write.
struct FakeRequest {
  std::vector<Bytes> readable;
  std::vector<uint32_t> writable;
  bool indirect = false;  // In a table of its own (takes one descriptor of the ring).
};

// What came back of one chain.
struct FakeReply {
  uint16_t head = 0;
  uint32_t used = 0;  // The length the device reported.
  Bytes bytes;  // The first `used` bytes of the writable half (fewer when the device claims more than there were).
};

struct FakeDescriptor {
  uint64_t address = 0;
  uint32_t length = 0;
  uint16_t flags = 0;
  uint16_t next = 0;
};

struct FakeUsed {
  uint32_t id = 0;
  uint32_t length = 0;
};

class FakeRing {
 public:
  // Lays out a queue of `size` (a power of two) descriptors in the ring room number `index`.
  FakeRing(FakeMemory& memory, unsigned index, uint16_t size) : memory_(&memory) {
    assert(index < FakeMemory::kMaxQueues);
    uint64_t base = FakeMemory::kRingSpan * index;
    layout_ = {
        .size = size, .descriptors = {base}, .driver_ring = {base + (640 << 10)}, .device_ring = {base + (720 << 10)}};
    std::ranges::fill(memory.at(layout_.descriptors, size * kDescriptorSize), std::byte{0});
    uint64_t frame = kRingHeaderSize + kRingTrailerSize;
    std::ranges::fill(memory.at(layout_.driver_ring, frame + size * kAvailEntrySize), std::byte{0});
    std::ranges::fill(memory.at(layout_.device_ring, frame + size * kUsedEntrySize), std::byte{0});
    for (unsigned i = 0; i < size; ++i) free_.push_back(static_cast<uint16_t>(size - 1 - i));
  }

  const QueueLayout& layout() const { return layout_; }

  // Adds a chain and makes it available; its head. Does not kick. Descriptors must suffice (assert).
  uint16_t add(const FakeRequest& request) {
    Pending pending;
    std::vector<FakeDescriptor> chain = place(request, pending);
    if (request.indirect) chain = {in_table(chain, pending)};
    assert(free_.size() >= chain.size() && "the fake driver is out of descriptors");
    for (size_t i = 0; i < chain.size(); ++i) {
      pending.descriptors.push_back(free_.back());
      free_.pop_back();
    }
    for (size_t i = 0; i < chain.size(); ++i) {
      if (i + 1 < chain.size()) chain[i].next = pending.descriptors[i + 1];
      describe(pending.descriptors[i], chain[i]);
    }
    uint16_t head = pending.descriptors.front();
    pending_[head] = std::move(pending);
    publish(head);
    return head;
  }

  // The next chain that came back, or nothing; its descriptors and buffers are free again. Asks to be interrupted for
  // the next.
  std::optional<FakeReply> take_reply() {
    if (used_index() == next_used_) {
      set_used_event(next_used_);
      return std::nullopt;
    }
    FakeUsed entry = used(next_used_++);
    auto found = pending_.find(static_cast<uint16_t>(entry.id));
    FakeReply reply{.head = static_cast<uint16_t>(entry.id), .used = entry.length, .bytes = {}};
    if (found == pending_.end()) return reply;  // Published raw: nothing is known about its buffers.
    for (auto [address, size] : found->second.writable) {
      size_t take = std::min<size_t>(size, entry.length - reply.bytes.size());
      auto from = memory_->at(address, take);
      reply.bytes.insert(reply.bytes.end(), from.begin(), from.end());
    }
    for (uint16_t index : found->second.descriptors) free_.push_back(index);
    for (GuestAddr address : found->second.buffers) memory_->release(address);
    pending_.erase(found);
    return reply;
  }

  size_t free_descriptors() const { return free_.size(); }
  // Whether a well-behaved driver kicks now, given what the device asked for (event index on). Remembers the answer as
  // given.
  bool take_kick_wanted() {
    uint16_t now = available_index();
    uint16_t old = std::exchange(kicked_, now);
    return static_cast<uint16_t>(now - available_event() - 1) < static_cast<uint16_t>(now - old);
  }

  // Raw: the ring's bytes as a driver of any intent may write them.
  void describe(uint16_t index, const FakeDescriptor& descriptor) {
    std::array<std::byte, kDescriptorSize> raw = encode(descriptor);
    std::ranges::copy(raw, memory_->at({layout_.descriptors.value + index * kDescriptorSize}, raw.size()).begin());
  }
  void publish(uint16_t head) {
    uint16_t index = available_index();
    set_available_entry(index, head);
    set_available_index(static_cast<uint16_t>(index + 1));
  }
  void set_available_entry(uint16_t position, uint16_t head) {
    word(layout_.driver_ring, kRingHeaderSize + position % layout_.size * kAvailEntrySize).store(head);
  }
  void set_available_index(uint16_t index) { word(layout_.driver_ring, 2).store(index); }
  uint16_t available_index() const { return word(layout_.driver_ring, 2).load(); }
  void set_no_interrupt(bool off) { word(layout_.driver_ring, 0).store(off ? kAvailNoInterrupt : uint16_t{0}); }
  void set_used_event(uint16_t index) {
    word(layout_.driver_ring, kRingHeaderSize + layout_.size * kAvailEntrySize).store(index);
  }
  uint16_t used_index() const { return word(layout_.device_ring, 2).load(); }
  FakeUsed used(uint16_t position) const {
    auto raw = memory_->at({layout_.device_ring.value + kRingHeaderSize + position % layout_.size * kUsedEntrySize},
                           kUsedEntrySize);
    FakeUsed entry;
    std::memcpy(&entry, raw.data(), sizeof entry);
    return entry;
  }
  uint16_t available_event() const {
    return word(layout_.device_ring, kRingHeaderSize + layout_.size * kUsedEntrySize).load();
  }

  static std::array<std::byte, kDescriptorSize> encode(const FakeDescriptor& descriptor) {
    struct {
      le64 address;
      le32 length;
      le16 flags, next;
    } raw{descriptor.address, descriptor.length, descriptor.flags, descriptor.next};
    return std::bit_cast<std::array<std::byte, kDescriptorSize>>(raw);
  }

 private:
  struct Pending {
    std::vector<uint16_t> descriptors;
    std::vector<GuestAddr> buffers;
    std::vector<std::pair<GuestAddr, uint32_t>> writable;
  };

  std::vector<FakeDescriptor> place(const FakeRequest& request, Pending& pending) {
    std::vector<FakeDescriptor> chain;
    for (const Bytes& bytes : request.readable) {
      pending.buffers.push_back(memory_->place(bytes));
      chain.push_back({.address = pending.buffers.back().value, .length = static_cast<uint32_t>(bytes.size())});
    }
    for (uint32_t size : request.writable) {
      pending.buffers.push_back(memory_->allocate(size));
      pending.writable.emplace_back(pending.buffers.back(), size);
      chain.push_back({.address = pending.buffers.back().value, .length = size, .flags = kDescWrite});
    }
    if (chain.empty()) chain.push_back({});
    for (size_t i = 0; i + 1 < chain.size(); ++i) chain[i].flags |= kDescNext;
    return chain;
  }
  FakeDescriptor in_table(std::vector<FakeDescriptor>& chain, Pending& pending) {
    Bytes table;
    for (size_t i = 0; i < chain.size(); ++i) {
      if (i + 1 < chain.size()) chain[i].next = static_cast<uint16_t>(i + 1);
      auto raw = encode(chain[i]);
      table.insert(table.end(), raw.begin(), raw.end());
    }
    pending.buffers.push_back(memory_->place(table));
    return {
        .address = pending.buffers.back().value, .length = static_cast<uint32_t>(table.size()), .flags = kDescIndirect};
  }
  // Atomic: in transport tests the device side of the ring runs on another thread.
  std::atomic_ref<uint16_t> word(GuestAddr ring, uint64_t offset) const {
    return std::atomic_ref(*reinterpret_cast<uint16_t*>(memory_->at({ring.value + offset}, 2).data()));
  }

  FakeMemory* memory_;
  QueueLayout layout_;
  std::vector<uint16_t> free_;
  std::map<uint16_t, Pending> pending_;
  uint16_t next_used_ = 0;
  uint16_t kicked_ = 0;
};

// A driver and a transport in one, on the caller's thread: every call into the device happens inside a call to this
// object.
class FakeDriver final : public Driver {
 public:
  // Activates `device` with `acked` of the features that it and the ring offer, every queue at its largest size.
  explicit FakeDriver(Device& device, uint64_t acked = ~0ull)
      : device_(device), features_(acked & (device.features() | device.ring_features())) {
    start();
  }
  ~FakeDriver() override {
    if (active_) device_.reset();
  }

  // Adds a chain of one readable and one writable buffer (none where empty or 0), kicks, and gives its reply; nothing
  // when it did not come back. Replies to other chains that come back meanwhile stay for collect().
  std::optional<FakeReply> send(unsigned index, std::span<const std::byte> readable, uint32_t writable_size = 0) {
    FakeRequest request;
    if (!readable.empty()) request.readable.emplace_back(readable.begin(), readable.end());
    if (writable_size != 0) request.writable.push_back(writable_size);
    return send(index, request);
  }
  std::optional<FakeReply> send(unsigned index, const FakeRequest& request) {
    uint16_t head = rings_[index].add(request);
    kick(index);
    gather(index);
    auto& replies = replies_[index];
    auto found = std::ranges::find(replies, head, &FakeReply::head);
    if (found == replies.end()) return std::nullopt;
    FakeReply reply = std::move(*found);
    replies.erase(found);
    return reply;
  }
  // Adds a writable buffer without kicking.
  uint16_t offer(unsigned index, uint32_t writable_size) {
    return rings_[index].add({.readable = {}, .writable = {writable_size}});
  }
  // What came back and was not yet seen, in the device's order.
  std::vector<FakeReply> collect(unsigned index) {
    gather(index);
    return std::exchange(replies_[index], {});
  }

  // Calls on_kick() until the device says kDone, as the transport does; nothing once the device faulted. False if it
  // never said kDone within a bound no honest device needs.
  bool kick(unsigned index) {
    constexpr int kMostRounds = 100'000;
    for (int round = 0; round < kMostRounds; ++round) {
      if (fault_ || !active_) return true;
      Result<Kick> kicked = device_.on_kick(index, queues_[index]);
      if (!kicked) {
        fault(std::move(kicked).error());
        return true;
      }
      interrupt(index);
      if (*kicked == Kick::kDone) return true;
    }
    return false;
  }

  // Resets the device; it gets no calls until start(), which sets up empty rings in the same memory.
  void reset() {
    if (std::exchange(active_, false)) device_.reset();
    queues_.clear();
    fault_.reset();
  }
  void start() {
    memory_.release_all();
    rings_.clear();
    queues_.clear();
    for (uint16_t size : device_.queue_sizes()) {
      FakeRing& ring = rings_.emplace_back(memory_, static_cast<unsigned>(rings_.size()), size);
      Queue::Features features{.indirect = (features_ & kFeatureRingIndirectDesc) != 0,
                               .event_index = (features_ & kFeatureRingEventIdx) != 0};
      queues_.push_back(Queue::create(memory_.guest(), ring.layout(), size, features).value());
    }
    replies_.assign(rings_.size(), {});
    interrupts_.assign(rings_.size(), 0);
    active_ = true;
    device_.activate(*this);
  }

  FakeMemory& memory() { return memory_; }
  FakeRing& ring(unsigned index) { return rings_[index]; }
  bool faulted() const { return fault_.has_value(); }
  const std::optional<Error>& fault_error() const { return fault_; }
  unsigned interrupts(unsigned index) const { return interrupts_[index]; }
  unsigned config_changes() const { return config_changes_; }

  // Driver, for the device.
  uint64_t features() const override { return features_; }
  Queue& queue(unsigned index) override { return queues_[index]; }
  void interrupt(unsigned index) override {
    if (queues_[index].take_interrupt()) ++interrupts_[index];
  }
  void config_changed() override { ++config_changes_; }
  // For devices that are served elsewhere, which a whole transport is for.
  int kick_fd(unsigned) const override { return -1; }
  void pass_interrupt() override {}
  void fault(Error error) override {
    if (!fault_) fault_ = std::move(error);
  }

 private:
  void gather(unsigned index) {
    while (auto reply = rings_[index].take_reply()) replies_[index].push_back(std::move(*reply));
  }

  Device& device_;
  uint64_t features_;
  FakeMemory memory_;
  std::vector<FakeRing> rings_;
  std::vector<Queue> queues_;
  std::vector<std::vector<FakeReply>> replies_;
  std::vector<unsigned> interrupts_;
  unsigned config_changes_ = 0;
  std::optional<Error> fault_;
  bool active_ = false;
};

}  // namespace cloche::virtio
