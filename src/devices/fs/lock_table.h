// LockTable: locks on the host's files for the guest's processes, so that they count between guests and against host
// programs.
//
// Each lock owner of the guest has an open file description of its own per file, and locks it as open file description
// locks have it (fcntl(2), F_OFD_SETLK): owners then exclude each other, and closing another descriptor of the file
// takes nothing away.
#pragma once

#include <linux/fuse.h>

#include <map>
#include <utility>

#include "base/fd.h"
#include "devices/fs/outcome.h"

namespace cloche::fs {

class LockTable {
 public:
  // Each is a descriptor.
  static constexpr size_t kMaxOwners = 4096;

  struct Owner {
    uint64_t node = 0;   // The file.
    uint64_t owner = 0;  // As the guest's kernel numbers it.
    auto operator<=>(const Owner&) const = default;
  };

  // Takes, changes or gives up (F_UNLCK) a lock; EAGAIN while another holds it. `open` opens the file for an owner that
  // has no lock on it yet.
  template <typename Open>
  Outcome<void> set(Owner owner, const fuse_file_lock& lock, Open open) {
    auto found = held_.find(owner);
    if (found == held_.end()) {
      if (lock.type == kUnlocked) return {};
      if (held_.size() >= kMaxOwners) return refuse(ENOLCK);
      Fd file = TRY(open());
      found = held_.emplace(owner, Held{std::move(file), lock.pid}).first;
    }
    return apply(found, lock);
  }
  // The lock that stands in the way of `lock`, or one of type F_UNLCK. `file` is the file, open.
  Outcome<fuse_file_lock> find_conflict(Owner owner, const fuse_file_lock& lock, int file) const;
  // Gives up all that the owner has on the file; false when that was nothing.
  bool release(Owner owner) { return held_.erase(owner) > 0; }
  // Nobody knows the file any more.
  void forget(uint64_t node);
  void clear() { held_.clear(); }
  size_t size() const { return held_.size(); }

 private:
  struct Held {
    Fd file;
    uint32_t pid = 0;  // The guest process that locked last.
  };
  using Table = std::map<Owner, Held>;
  static const uint32_t kUnlocked;  // F_UNLCK.

  Outcome<void> apply(Table::iterator held, const fuse_file_lock& lock);

  Table held_;
};

}  // namespace cloche::fs
