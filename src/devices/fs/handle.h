// The open files and directories of a guest.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/fd.h"
#include "devices/fs/outcome.h"
#include "devices/fs/quota.h"

namespace cloche::fs {

struct VirtualNode;

struct Handle {
  enum class Kind : uint8_t { kFile, kDirectory };

  Kind kind = Kind::kFile;
  Fd fd;                                        // None: a virtual or sealed node.
  std::shared_ptr<const VirtualNode> contents;  // Of a virtual node.
  Quota::Use use;                               // Of a file on the host.

  // Of a host directory: entries read from the host and not yet passed on, and where the next of them continues.
  // Continuing without a seek matters: some file systems lose entries when a directory changes between seeks.
  std::vector<std::byte> entries;
  size_t next_entry = 0;  // Offset in `entries`.
  uint64_t position = 0;  // The host's offset cookie of that entry.
};

class HandleTable {
 public:
  // Each costs a descriptor and up to 4 KiB of directory entries.
  static constexpr size_t kMaxHandles = 1 << 16;

  // `left` is how many more files may be opened, in this table and those that share it.
  explicit HandleTable(std::shared_ptr<size_t> left) : left_(std::move(left)) {}
  HandleTable(HandleTable&&) = default;
  ~HandleTable() { clear(); }

  // The new handle's id, never given to another.
  Outcome<uint64_t> add(Handle handle) {
    if (full()) return refuse(ENFILE);
    --*left_;
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
    ++*left_;
    handles_.erase(found);
    return {};
  }
  bool full() const { return *left_ == 0 || handles_.size() >= kMaxHandles; }
  void clear() {
    if (left_) *left_ += handles_.size();
    handles_.clear();
  }
  size_t size() const { return handles_.size(); }

 private:
  std::unordered_map<uint64_t, Handle> handles_;
  std::shared_ptr<size_t> left_;
  uint64_t next_id_ = 1;
};

}  // namespace cloche::fs
