#include "devices/fs/dax_window.h"

#include <fmt/format.h>
#include <sys/mman.h>

namespace cloche::fs {

Result<DaxWindow> DaxWindow::create(uint64_t size) {
  if (size == 0 || size % kGranule != 0)
    return fail(ErrorCode::kInvalidArgument, fmt::format("a DAX window of {} bytes is not a multiple of 2 MiB", size));
  Mmap reservation = TRY(Mmap::anonymous(size + kGranule));
  auto unaligned = reinterpret_cast<uintptr_t>(reservation.data());
  std::byte* start = reservation.data() + (kGranule - unaligned % kGranule) % kGranule;
  ::madvise(start, size, MADV_DONTDUMP);
  return DaxWindow(std::move(reservation), {start, size});
}

bool DaxWindow::holds(Range range) const {
  if (range.size == 0 || range.start % kGranule != 0 || range.size % kGranule != 0) return false;
  return range.start < bytes_.size() && range.size <= bytes_.size() - range.start;
}

Outcome<void> DaxWindow::map(Range range, const Source& source, int fd) {
  if (!holds(range) || source.offset % kGranule != 0) return refuse(EINVAL);
  if (source.offset > INT64_MAX || range.size > INT64_MAX - source.offset) return refuse(EINVAL);
  int protection = source.writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* mapped = ::mmap(bytes_.data() + range.start, range.size, protection, MAP_SHARED | MAP_FIXED, fd,
                        static_cast<off_t>(source.offset));
  if (mapped == MAP_FAILED) {
    int error = errno;
    // What was there may be gone already.
    static_cast<void>(unmap(range));
    return refuse(error);
  }
  set(range, source);
  return {};
}

Outcome<void> DaxWindow::unmap(Range range) {
  if (!holds(range)) return refuse(EINVAL);
  TRY(put_memory(range));
  set(range, {});
  return {};
}

void DaxWindow::clear() {
  if (any_mapped()) static_cast<void>(unmap({0, bytes_.size()}));
}

Outcome<void> DaxWindow::cut(size_t slot, uint64_t backed) {
  TRY(put_memory({slot * kGranule + backed, kGranule - backed}));
  if (!slots_[slot].cut()) ++cut_;
  slots_[slot].backed = backed;
  return {};
}

Outcome<void> DaxWindow::put_memory(Range range) const {
  void* mapped = ::mmap(bytes_.data() + range.start, range.size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  if (mapped == MAP_FAILED) return refuse_errno();
  ::madvise(mapped, range.size, MADV_DONTDUMP);
  return {};
}

void DaxWindow::set(Range range, const Source& source) {
  for (uint64_t done = 0; done < range.size; done += kGranule) {
    Slot& slot = slots_[(range.start + done) / kGranule];
    if (slot.cut()) --cut_;
    if (slot.source.inode != 0) --mapped_;
    if (source.inode != 0) ++mapped_;
    slot = {source, kGranule};
    slot.source.offset += done;
  }
}

}  // namespace cloche::fs
