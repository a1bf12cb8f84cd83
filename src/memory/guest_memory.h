// Guest physical memory, and the only code that turns a guest address into a pointer.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/fd.h"
#include "base/mmap.h"
#include "base/result.h"

namespace cloche {

// A guest physical address.
struct GuestAddr {
  uint64_t value = 0;
  auto operator<=>(const GuestAddr&) const = default;
};

// One contiguous piece of guest memory and where it is mapped here.
struct MemoryRegion {
  GuestAddr start;
  std::span<std::byte> bytes;
  uint64_t file_offset = 0;  // In GuestMemory::file(), where there is one.
};

// Owns the guest's memory. Its layout is fixed at create(); any thread may use it afterwards. The guest writes to it at
// any time, so what is read once must be copied before it is checked (load(), copy_out()).
class GuestMemory {
 public:
  struct Range {
    GuestAddr start;
    uint64_t size;  // In bytes, a multiple of 4 KiB.
  };
  enum class Sharing : uint8_t {
    kPrivate,
    kShared,  // In a file that other processes can be given; none of them can make it smaller under our feet.
  };
  // Maps zeroed memory for each range; ranges ascend and do not touch each other's bytes.
  static Result<GuestMemory> create(std::span<const Range> ranges, Sharing sharing = Sharing::kPrivate);

  // The `size` bytes at `address` as this process sees them. Fails (kGuest) unless all of them lie in one region; a
  // size of 0 is fine anywhere inside or at the end of a region.
  Result<std::span<std::byte>> range(GuestAddr address, uint64_t size) const;

  // Copies between guest memory and ours.
  Result<void> copy_in(GuestAddr address, std::span<const std::byte> from) const;
  Result<void> copy_out(GuestAddr address, std::span<std::byte> to) const;
  template <typename T>
  Result<T> load(GuestAddr address) const {
    static_assert(std::is_trivially_copyable_v<T>);
    std::array<std::byte, sizeof(T)> raw;
    if (auto copied = copy_out(address, raw); !copied) return std::unexpected(std::move(copied).error());
    T value;
    std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }
  template <typename T>
  Result<void> store(GuestAddr address, const T& value) const {
    static_assert(std::is_trivially_copyable_v<T>);
    return copy_in(address, std::as_bytes(std::span(&value, 1)));
  }

  // Adds a place that the guest can reach and that is not its memory: a device's shared memory, which outlives this.
  // Before the VM runs. What lies there are files of the host: where one has shrunk, whoever touches it gets SIGBUS. So
  // range() does not know of it, and only system calls, which answer EFAULT, may be given what window_range() yields.
  void add_window(MemoryRegion window) { windows_.push_back(window); }
  Result<std::span<std::byte>> window_range(GuestAddr address, uint64_t size) const;

  std::span<const MemoryRegion> regions() const { return regions_; }
  uint64_t size() const;  // All regions together, in bytes.
  // What the regions are mappings of, for Sharing::kShared; else -1.
  int file() const { return file_.get(); }

 private:
  Result<void> add(const Range& range, uint64_t file_offset);

  Fd file_;
  std::vector<Mmap> mappings_;
  std::vector<MemoryRegion> regions_, windows_;
};

}  // namespace cloche
