#include "devices/block/raw.h"

#include <fmt/format.h>

namespace cloche::block {

Result<std::unique_ptr<Disk>> RawDisk::create(HostFile file) {
  uint64_t size = file.size();
  return create(std::move(file), 0, size);
}

Result<std::unique_ptr<Disk>> RawDisk::create(HostFile file, uint64_t start, uint64_t size) {
  if (size < kSectorBytes)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: of {} bytes, and a disk has {} at least", file.path(), size, kSectorBytes));
  if (start > file.size() || size > file.size() - start)
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}: shorter than its description says", file.path()));
  if (file.size() % file.alignment() != 0 && file.writable())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: for direct I/O its size must be a multiple of {}", file.path(), file.alignment()));
  return std::unique_ptr<Disk>(new RawDisk(std::move(file), start, size / kSectorBytes * kSectorBytes));
}

Result<void> RawDisk::discard(uint64_t offset, uint64_t size) {
  auto punched = file_.punch(start_ + offset, size);
  // Where the host's file system cannot, the space stays in use, which is no error to a guest.
  if (!punched && punched.error().sys_errno == EOPNOTSUPP) return {};
  return punched;
}

}  // namespace cloche::block
