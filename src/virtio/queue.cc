#include "virtio/queue.h"

#include <fmt/format.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cassert>
#include <cstring>
#include <utility>

#include "virtio/spec.h"

namespace cloche::virtio {
namespace {

static_assert(std::endian::native == std::endian::little, "the ring's words are accessed in place");

// A 16-bit word of a ring. Its address is aligned: create() checked the ring's, and the offsets are even.
std::atomic_ref<uint16_t> word(std::span<std::byte> ring, uint64_t offset) {
  assert(offset + sizeof(uint16_t) <= ring.size());
  return std::atomic_ref(*reinterpret_cast<uint16_t*>(ring.data() + offset));
}

// Copies guest memory for good: after the barrier the compiler may no longer assume that the source holds what it held,
// so it cannot read a field from there a second time, after the check.
void copy_once(void* to, const std::byte* from, size_t size) {
  std::memcpy(to, from, size);
  asm volatile("" ::: "memory");
}

// Copies to or from a window, in the kernel: where a file has shrunk it answers EFAULT, and a memcpy would be SIGBUS.
bool copy_by_kernel(void* to, const std::byte* from, size_t size) {
  iovec local{to, size}, remote{const_cast<std::byte*>(from), size};
  return ::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size);
}

// The next 16 bytes of a table, copied once; neither table nor entry need be aligned (section 2.7.5.3 asks nothing of
// the table).
struct Descriptor {
  uint64_t address;
  uint32_t length;
  uint16_t flags;
  uint16_t next;
};
static_assert(sizeof(Descriptor) == kDescriptorSize);

Descriptor load_descriptor(std::span<const std::byte> table, uint16_t index) {
  Descriptor descriptor;
  copy_once(&descriptor, table.data() + index * kDescriptorSize, sizeof descriptor);
  return descriptor;
}

Result<void> check_apart(std::span<const std::byte> one, std::span<const std::byte> other) {
  if (one.data() < other.data() + other.size() && other.data() < one.data() + one.size())
    return fail(ErrorCode::kGuest, "parts of a queue overlap");
  return {};
}

Result<std::span<std::byte>> ring_part(const GuestMemory& memory, GuestAddr address, uint64_t size,
                                       uint64_t alignment) {
  if (address.value % alignment != 0)
    return fail(ErrorCode::kGuest,
                fmt::format("part of a queue at {:#x} is not aligned to {}", address.value, alignment));
  return memory.range(address, size);
}

// Follows one table of descriptors, the queue's own or an indirect one, and collects the buffers.
class Walk {
 public:
  Walk(const GuestMemory& memory, Chain& chain, bool windows) : memory_(memory), chain_(chain), windows_(windows) {}

  // From `index` on, at most `most` descriptors. Stops at the chain's end, or at an indirect descriptor, which it
  // returns.
  Result<std::optional<Descriptor>> run(std::span<const std::byte> table, uint16_t index, size_t most) {
    size_t entries = table.size() / kDescriptorSize;
    // More steps than descriptors means a cycle; a chain of exactly `most` is fine.
    for (size_t step = 0; step < most; ++step) {
      if (index >= entries) return fail(ErrorCode::kGuest, fmt::format("descriptor {} is outside its table", index));
      Descriptor descriptor = load_descriptor(table, index);
      if ((descriptor.flags & kDescIndirect) != 0) return descriptor;
      TRY(add(descriptor));
      if ((descriptor.flags & kDescNext) == 0) return std::nullopt;
      index = descriptor.next;
    }
    return fail(ErrorCode::kGuest, "a descriptor chain is a cycle or longer than the queue");
  }

 private:
  Result<void> add(const Descriptor& descriptor) {
    bool writable = (descriptor.flags & kDescWrite) != 0;
    if (writable) seen_writable_ = true;
    if (!writable && seen_writable_) return fail(ErrorCode::kGuest, "a readable buffer follows a writable one");
    // Nothing is read or written there, so its address is as good as any.
    if (descriptor.length == 0) return {};
    bytes_ += descriptor.length;  // In 64 bits: at most 2 * 32768 descriptors of under 4 GiB cannot wrap it.
    if (bytes_ > Queue::kMaxChainBytes)
      return fail(ErrorCode::kGuest, fmt::format("a request is larger than {} bytes", Queue::kMaxChainBytes));
    std::span<std::byte> buffer = TRY(find({descriptor.address}, descriptor.length));
    if (writable) {
      chain_.writable.push_back(buffer);
    } else {
      chain_.readable.push_back(buffer);
    }
    return {};
  }

  Result<std::span<std::byte>> find(GuestAddr address, uint64_t size) {
    auto memory = memory_.range(address, size);
    if (memory || !windows_) return memory;
    auto window = memory_.window_range(address, size);
    if (window) chain_.in_window = true;
    return window;
  }

  const GuestMemory& memory_;
  Chain& chain_;
  bool windows_;  // Buffers may lie there too.
  uint64_t bytes_ = 0;
  bool seen_writable_ = false;
};

template <typename Span>
size_t total(const std::vector<Span>& spans) {
  size_t size = 0;
  for (const Span& span : spans) size += span.size();
  return size;
}

template <typename Span>
std::vector<Span> slice(const std::vector<Span>& spans, size_t offset, size_t size) {
  std::vector<Span> part;
  for (const Span& span : spans) {
    if (size == 0) break;
    if (offset >= span.size()) {
      offset -= span.size();
      continue;
    }
    size_t take = std::min(size, span.size() - offset);
    part.push_back(span.subspan(offset, take));
    offset = 0;
    size -= take;
  }
  return part;
}

}  // namespace

size_t Chain::readable_size() const { return total(readable); }
size_t Chain::writable_size() const { return total(writable); }

bool Chain::copy_out(size_t offset, std::span<std::byte> to) const {
  size_t done = 0;
  for (std::span<const std::byte> span : readable) {
    if (done == to.size()) break;
    if (offset >= span.size()) {
      offset -= span.size();
      continue;
    }
    size_t take = std::min(to.size() - done, span.size() - offset);
    if (in_window) {
      if (!copy_by_kernel(to.data() + done, span.data() + offset, take)) return false;
    } else {
      copy_once(to.data() + done, span.data() + offset, take);
    }
    done += take;
    offset = 0;
  }
  return done == to.size();
}

bool Chain::copy_in(size_t offset, std::span<const std::byte> from) const {
  size_t room = writable_size();
  if (offset > room || from.size() > room - offset) return false;
  for (std::span<std::byte> span : writable) {
    if (from.empty()) break;
    if (offset >= span.size()) {
      offset -= span.size();
      continue;
    }
    size_t take = std::min(from.size(), span.size() - offset);
    if (in_window) {
      if (!copy_by_kernel(span.data() + offset, from.data(), take)) return false;
    } else {
      std::memcpy(span.data() + offset, from.data(), take);
    }
    from = from.subspan(take);
    offset = 0;
  }
  return true;
}

std::vector<std::span<const std::byte>> Chain::readable_from(size_t offset, size_t size) const {
  return slice(readable, offset, size);
}

std::vector<std::span<std::byte>> Chain::writable_from(size_t offset, size_t size) const {
  return slice(writable, offset, size);
}

Result<Queue> Queue::create(const GuestMemory& memory, const QueueLayout& layout, uint16_t max_size,
                            Features features) {
  if (!std::has_single_bit(layout.size) || layout.size > max_size || layout.size > kMaxQueueSize)
    return fail(ErrorCode::kGuest,
                fmt::format("a queue of {} descriptors where {} is the most", layout.size, max_size));
  constexpr uint64_t kFrame =
      kRingHeaderSize + kRingTrailerSize;  // The trailer is there even where event index is off.
  Queue queue;
  queue.descriptors_ = TRY(ring_part(memory, layout.descriptors, layout.size * kDescriptorSize, 16));
  queue.driver_ring_ = TRY(ring_part(memory, layout.driver_ring, kFrame + layout.size * kAvailEntrySize, 2));
  queue.device_ring_ = TRY(ring_part(memory, layout.device_ring, kFrame + layout.size * kUsedEntrySize, 4));
  TRY(check_apart(queue.descriptors_, queue.driver_ring_));
  TRY(check_apart(queue.descriptors_, queue.device_ring_));
  TRY(check_apart(queue.driver_ring_, queue.device_ring_));
  queue.memory_ = &memory;
  queue.layout_ = layout;
  queue.features_ = features;
  queue.state_.in_flight.assign((layout.size + 63u) / 64, 0);
  return queue;
}

// How many heads the driver published and we did not take. More than fit into the ring is a driver that lost its mind.
Result<uint16_t> Queue::count_available() const {
  // Acquire: pairs with the driver's release of the index, so that the ring entries and descriptors behind it are seen.
  // Sequentially consistent on top of that, for the look that pop() takes after it published the event index.
  uint16_t index = word(driver_ring_, 2).load(std::memory_order_seq_cst);
  auto count = static_cast<uint16_t>(index - state_.next_available);
  if (count > layout_.size)
    return fail(ErrorCode::kGuest,
                fmt::format("the driver's index jumped by {} in a queue of {}", count, layout_.size));
  return count;
}

Result<std::optional<Chain>> Queue::pop() {
  if (!ready()) return std::nullopt;
  uint16_t count = TRY(count_available());
  if (count == 0 && features_.event_index) {
    // "Kick me at the next one", then look once more: either the driver sees the request, or we see what it published
    // meanwhile. That needs the store to be done before the load. Both are sequentially consistent, which orders them
    // as a full fence would (and unlike a fence is understood by ThreadSanitizer); the driver has a full fence between
    // its store and its load.
    word(device_ring_, kRingHeaderSize + layout_.size * kUsedEntrySize)
        .store(state_.next_available, std::memory_order_seq_cst);
    count = TRY(count_available());
  }
  if (count == 0) return std::nullopt;
  unsigned position = state_.next_available & (layout_.size - 1u);
  uint16_t head = word(driver_ring_, kRingHeaderSize + position * kAvailEntrySize).load(std::memory_order_relaxed);
  if (head >= layout_.size) return fail(ErrorCode::kGuest, fmt::format("head {} in a queue of {}", head, layout_.size));
  // Two requests under one name could not be told apart when they complete, and would be without bound.
  if (flying(head)) return fail(ErrorCode::kGuest, fmt::format("head {} was published while in flight", head));
  Chain chain = TRY(walk(head));
  ++state_.next_available;
  state_.in_flight[head / 64] |= 1ull << (head % 64);
  ++in_flight_count_;
  return chain;
}

// The chain from `head`: zero or more descriptors of the queue's table, then at most one indirect table
// (section 2.7.5.3).
Result<Chain> Queue::walk(uint16_t head) const {
  Chain chain;
  chain.head = head;
  Walk walk(*memory_, chain, features_.shared_buffers);
  std::optional<Descriptor> indirect = TRY(walk.run(descriptors_, head, layout_.size));
  if (!indirect) return chain;
  if (!features_.indirect) return fail(ErrorCode::kGuest, "an indirect descriptor, which was not negotiated");
  if ((indirect->flags & kDescNext) != 0)
    return fail(ErrorCode::kGuest, "a chain continues after an indirect descriptor");
  if (indirect->length == 0 || indirect->length % kDescriptorSize != 0)
    return fail(ErrorCode::kGuest, fmt::format("an indirect table of {} bytes", indirect->length));
  std::span<const std::byte> table = TRY(memory_->range({indirect->address}, indirect->length));
  // A driver must not make a chain longer than the queue, in a table either; the table itself may be larger.
  size_t most = std::min<size_t>(table.size() / kDescriptorSize, layout_.size);
  if (TRY(walk.run(table, 0, most))) return fail(ErrorCode::kGuest, "an indirect descriptor in an indirect table");
  return chain;
}

bool Queue::has_available() const {
  if (!ready()) return false;
  return word(driver_ring_, 2).load(std::memory_order_relaxed) != state_.next_available;
}

void Queue::push(uint16_t head, uint32_t written) {
  assert(ready() && head < layout_.size && flying(head));
  state_.in_flight[head / 64] &= ~(1ull << (head % 64));
  --in_flight_count_;
  unsigned position = state_.next_used & (layout_.size - 1u);
  std::array<uint32_t, 2> entry{head, written};
  static_assert(sizeof entry == kUsedEntrySize);
  std::memcpy(device_ring_.data() + kRingHeaderSize + position * kUsedEntrySize, entry.data(), sizeof entry);
  ++state_.next_used;
  ++unsignalled_;
  // Release: the entry, and what the device wrote into the buffers, are visible before the index that announces them.
  word(device_ring_, 2).store(state_.next_used, std::memory_order_release);
}

bool Queue::take_interrupt() {
  if (!ready()) return false;
  uint32_t pushed = std::exchange(unsignalled_, 0);
  if (pushed == 0) return false;
  // The index once more, now sequentially consistent: it must be out before we read what the driver asks for, or the
  // driver could ask and look between the two, see nothing, and sleep for ever. (As in pop(), with the roles changed;
  // push() alone need not pay.)
  word(device_ring_, 2).store(state_.next_used, std::memory_order_seq_cst);
  if (!features_.event_index) return (word(driver_ring_, 0).load(std::memory_order_seq_cst) & kAvailNoInterrupt) == 0;
  if (pushed > UINT16_MAX) return true;  // The index came round: whatever it asked for was passed.
  uint16_t event = word(driver_ring_, kRingHeaderSize + layout_.size * kAvailEntrySize).load(std::memory_order_seq_cst);
  // Section 2.7.10: yes if the used index moved past `event`.
  return static_cast<uint16_t>(state_.next_used - event - 1) < pushed;
}

}  // namespace cloche::virtio
