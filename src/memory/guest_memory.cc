#include "memory/guest_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

namespace cloche {
namespace {

// Huge pages: a 2 MiB fault costs about what three 4 KiB faults cost, and booting touches hundreds of them.
constexpr uint64_t kHugePage = 2 << 20;

// Whoever has it may write to it and punch holes into it, as the guest may; a file that got smaller would be SIGBUS.
Result<Fd> make_file(uint64_t size) {
  Fd file(::memfd_create("guest memory", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) return fail_errno("make a file for guest memory");
  if (::ftruncate(file.get(), static_cast<off_t>(size)) != 0 ||
      ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return fail_errno(fmt::format("make a file of {} bytes for guest memory", size));
  return file;
}

// Aligned to a huge page, so that guest and host huge pages coincide.
size_t to_huge_page(const std::byte* address) {
  return (kHugePage - reinterpret_cast<uintptr_t>(address) % kHugePage) % kHugePage;
}

}  // namespace

Result<GuestMemory> GuestMemory::create(std::span<const Range> ranges, Sharing sharing) {
  GuestMemory memory;
  uint64_t size = 0;
  for (const Range& range : ranges) size += range.size;
  if (sharing == Sharing::kShared) memory.file_ = TRY(make_file(size));
  uint64_t previous_end = 0, file_offset = 0;
  for (const Range& range : ranges) {
    if (range.size == 0 || range.size % 4096 != 0 || range.start.value % 4096 != 0)
      return fail(ErrorCode::kInvalidArgument, "guest memory must be whole pages");
    if (range.start.value < previous_end || range.start.value + range.size < range.start.value)
      return fail(ErrorCode::kInvalidArgument, "guest memory ranges overlap");
    previous_end = range.start.value + range.size;
    TRY(memory.add(range, file_offset));
    file_offset += range.size;
  }
  return memory;
}

Result<void> GuestMemory::add(const Range& range, uint64_t file_offset) {
  Mmap mapping =
      TRY(file_ ? Mmap::shared(file_.get(), range.size, file_offset) : Mmap::anonymous(range.size + kHugePage));
  std::byte* start = mapping.data() + (file_ ? 0 : to_huge_page(mapping.data()));
  ::madvise(start, range.size, MADV_HUGEPAGE);  // A kernel without them gives small pages: slower, not wrong.
  ::madvise(start, range.size, MADV_DONTDUMP);
  regions_.push_back({range.start, {start, range.size}, file_offset});
  mappings_.push_back(std::move(mapping));
  return {};
}

namespace {

Result<std::span<std::byte>> find(std::span<const MemoryRegion> regions, GuestAddr address, uint64_t size) {
  for (const MemoryRegion& region : regions) {
    if (address < region.start) continue;
    uint64_t offset = address.value - region.start.value;
    if (offset > region.bytes.size() || size > region.bytes.size() - offset) continue;
    return region.bytes.subspan(offset, size);
  }
  return fail(ErrorCode::kGuest, fmt::format("{} bytes at guest address {:#x} are not memory", size, address.value));
}

}  // namespace

Result<std::span<std::byte>> GuestMemory::range(GuestAddr address, uint64_t size) const {
  return find(regions_, address, size);
}

Result<std::span<std::byte>> GuestMemory::window_range(GuestAddr address, uint64_t size) const {
  return find(windows_, address, size);
}

Result<void> GuestMemory::copy_in(GuestAddr address, std::span<const std::byte> from) const {
  std::span<std::byte> to = TRY(range(address, from.size()));
  if (!from.empty()) std::memcpy(to.data(), from.data(), from.size());
  return {};
}

Result<void> GuestMemory::copy_out(GuestAddr address, std::span<std::byte> to) const {
  std::span<std::byte> from = TRY(range(address, to.size()));
  if (!to.empty()) std::memcpy(to.data(), from.data(), to.size());
  return {};
}

uint64_t GuestMemory::size() const {
  uint64_t total = 0;
  for (const MemoryRegion& region : regions_) total += region.bytes.size();
  return total;
}

}  // namespace cloche
