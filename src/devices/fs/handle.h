// The open files and directories of a guest.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/fd.h"
#include "devices/fs/outcome.h"

namespace cloche::fs {

struct VirtualNode;

struct Handle {
  enum class Kind : uint8_t { kFile, kDirectory };

  Kind kind = Kind::kFile;
  Fd fd;                                  // None: a virtual or sealed node.
  const VirtualNode* contents = nullptr;  // Of a virtual node, which outlives every handle.

  // Of a host directory: entries read from the host and not yet passed on, and where the next of them continues.
  // Continuing without a seek matters: some file systems lose entries when a directory changes between seeks.
  std::vector<std::byte> entries;
  size_t next_entry = 0;  // Offset in `entries`.
  uint64_t position = 0;  // The host's offset cookie of that entry.
};

class HandleTable {
 public:
  // Each costs a descriptor and up to 4 KiB of directory entries. Lower where the process may open fewer files.
  static constexpr size_t kMaxHandles = 1 << 16;

  explicit HandleTable(size_t limit = kMaxHandles) : limit_(limit) {}

  // The new handle's id, never given to another.
  Outcome<uint64_t> add(Handle handle) {
    if (full()) return refuse(ENFILE);
    handles_.emplace(next_id_, std::move(handle));
    return next_id_++;
  }
  // EBADF when there is none of that kind.
  Outcome<Handle*> find(uint64_t id, Handle::Kind kind) {
    auto found = handles_.find(id);
    if (found == handles_.end() || found->second.kind != kind) return refuse(EBADF);
    return &found->second;
  }
  Outcome<void> release(uint64_t id, Handle::Kind kind) {
    auto found = handles_.find(id);
    if (found == handles_.end() || found->second.kind != kind) return refuse(EBADF);
    handles_.erase(found);
    return {};
  }
  bool full() const { return handles_.size() >= limit_; }
  void clear() { handles_.clear(); }
  size_t size() const { return handles_.size(); }

 private:
  std::unordered_map<uint64_t, Handle> handles_;
  uint64_t next_id_ = 1;
  size_t limit_;
};

}  // namespace cloche::fs
