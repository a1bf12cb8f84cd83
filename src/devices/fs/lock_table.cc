#include "devices/fs/lock_table.h"

#include <fcntl.h>

#include <cstdint>

namespace cloche::fs {
namespace {

Outcome<flock> host_lock(const fuse_file_lock& lock) {
  bool known = lock.type == F_RDLCK || lock.type == F_WRLCK || lock.type == F_UNLCK;
  if (!known || lock.start > lock.end || lock.end > INT64_MAX) return refuse(EINVAL);
  flock out{};
  out.l_type = static_cast<short>(lock.type);
  out.l_whence = SEEK_SET;
  out.l_start = static_cast<off_t>(lock.start);
  // Length 0 is "to the end, wherever that will be".
  out.l_len = lock.end == INT64_MAX ? 0 : static_cast<off_t>(lock.end - lock.start + 1);
  return out;
}

fuse_file_lock guest_lock(const flock& lock, uint32_t pid) {
  auto start = static_cast<uint64_t>(lock.l_start);
  uint64_t end = lock.l_len == 0 ? INT64_MAX : start + static_cast<uint64_t>(lock.l_len) - 1;
  return {.start = start, .end = end, .type = static_cast<uint32_t>(lock.l_type), .pid = pid};
}

}  // namespace

const uint32_t LockTable::kUnlocked = F_UNLCK;

Outcome<void> LockTable::apply(Table::iterator held, const fuse_file_lock& lock) {
  flock wanted = TRY(host_lock(lock));
  if (::fcntl(held->second.file.get(), F_OFD_SETLK, &wanted) < 0) return refuse(errno == EACCES ? EAGAIN : errno);
  held->second.pid = lock.pid;
  return {};
}

Outcome<fuse_file_lock> LockTable::find_conflict(Owner owner, const fuse_file_lock& lock, int file) const {
  flock wanted = TRY(host_lock(lock));
  auto own = held_.find(owner);
  int asked = own == held_.end() ? file : own->second.file.get();
  flock conflict = wanted;
  if (::fcntl(asked, F_OFD_GETLK, &conflict) < 0) return refuse_errno();
  if (conflict.l_type == F_UNLCK) return fuse_file_lock{.start = 0, .end = 0, .type = F_UNLCK, .pid = 0};
  // Whose it is: the one of our owners to whom nothing stands in the way there. Nobody's: a program's on the host.
  for (auto each = held_.lower_bound({owner.node, 0}); each != held_.end() && each->first.node == owner.node; ++each) {
    flock again = conflict;
    again.l_type = F_WRLCK;
    again.l_pid = 0;
    bool free = ::fcntl(each->second.file.get(), F_OFD_GETLK, &again) == 0 && again.l_type == F_UNLCK;
    if (free && each != own) return guest_lock(conflict, each->second.pid);
  }
  return guest_lock(conflict, 0);
}

void LockTable::forget(uint64_t node) {
  held_.erase(held_.lower_bound({node, 0}), held_.upper_bound({node, UINT64_MAX}));
}

}  // namespace cloche::fs
