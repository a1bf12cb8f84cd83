// Quota: what the guest has added to a share, counted as it happens, and whether it may add more.
//
// Space is what `du` counts, allocated blocks: a file is measured before and after each request that may change it, and
// nothing is counted when the VM starts. Each file that was changed has an account: what it held at first and what was
// charged for it since. No more than that is ever given back for it, so that making and removing files gains nothing,
// whatever the host's file system allocates of its own accord meanwhile. What others change is neither charged nor
// given back.
#pragma once

#include <linux/fuse.h>

#include <cstdint>
#include <unordered_map>
#include <utility>

#include "devices/fs/options.h"
#include "devices/fs/outcome.h"

namespace cloche::fs {

// A file of the host, whatever its name.
struct FileId {
  uint64_t device = 0, number = 0;
  bool operator==(const FileId&) const = default;
};

class Quota {
 public:
  // Accounts held at once, about 64 bytes each. Past them, what is charged for a file is not given back.
  static constexpr size_t kMostAccounts = 1 << 20;

  explicit Quota(const QuotaLimits& limits, size_t most_accounts = kMostAccounts)
      : limits_(limits), most_accounts_(most_accounts) {}
  Quota(const Quota&) = delete;
  Quota& operator=(const Quota&) = delete;

  bool on() const { return limits_.bytes || limits_.inodes; }

  // Whether one more file, one more name of a file, or so many bytes may be added: EDQUOT. A name may take a block or
  // two of its directory, so that it is refused only when no space at all is left.
  Outcome<void> check_file() const;
  Outcome<void> check_name() const;
  Outcome<void> check_bytes(uint64_t size) const;
  // The same for `size` bytes of an open file: blocks that it has already cost nothing.
  Outcome<void> check_range(int fd, uint64_t offset, uint64_t size) const;

  // A file was made: charged for at once, for its blocks when it has been looked at.
  void made() { inodes_ += limits_.inodes ? 1 : 0; }
  void measured(FileId id, uint64_t bytes);
  // Both at once, for a file that is open.
  void made_file(int fd);
  // A new file without a name (O_TMPFILE).
  void made_nameless(int fd);
  // It has a name now.
  void named(FileId id);

  enum class Known : uint8_t { kNo, kYes };
  // A name of the file behind `fd` was removed. If it was the last one, the file goes when the guest has closed it and,
  // where it knows it as an inode, forgotten it; what was charged for it is given back then.
  void removed(int fd, Known known);
  void forgotten(FileId id);
  // The guest is gone, and so are its open files and inodes.
  void end();

  // Makes a file system's numbers those that the guest can count on.
  void narrow(fuse_kstatfs& stat) const;

  // While it lives, a file (also one open with O_PATH) is being changed.
  class Change {
   public:
    Change(Quota& quota, int fd);
    ~Change();
    uint64_t size() const { return size_; }  // Before; known where there is a quota.
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;

   private:
    Quota& quota_;
    int fd_;
    FileId id_;
    uint64_t before_ = 0, size_ = 0;
  };

  // While it lives, the guest has a file open.
  class Use {
   public:
    Use() = default;
    Use(Quota& quota, int fd);
    Use(Use&& other) noexcept : quota_(std::exchange(other.quota_, nullptr)), id_(other.id_) {}
    Use& operator=(Use&& other) noexcept {
      std::swap(quota_, other.quota_);
      std::swap(id_, other.id_);
      return *this;
    }
    ~Use();

   private:
    Quota* quota_ = nullptr;
    FileId id_;
  };

 private:
  struct Account {
    uint64_t bytes = 0;     // Of the file, as far as they can be given back.
    bool is_gone = false;   // It has no name any more,
    bool is_known = false;  // but the guest knows its inode.
  };
  struct Hash {
    size_t operator()(const FileId& id) const {
      constexpr uint64_t kSpread = 0x9e3779b97f4a7c15;  // 2^64 over the golden ratio.
      return static_cast<size_t>((id.number ^ id.device << 32) * kSpread >> 8);
    }
  };

  uint64_t bytes_left() const;
  uint64_t inodes_left() const;
  // The file's account, made with `bytes` in it where there is none; null: there are too many.
  Account* account(FileId id, uint64_t bytes);
  void book(FileId id, uint64_t before, uint64_t after);
  // Gives back what a file took once nothing holds it any more.
  void settle(FileId id);

  QuotaLimits limits_;
  size_t most_accounts_;
  // What was added less what was removed: below zero when the guest removed what was there before. Neither can
  // overflow, as a host has fewer bytes and files than 63 bits count, and no more is subtracted than it has.
  int64_t bytes_ = 0;
  int64_t inodes_ = 0;
  std::unordered_map<FileId, Account, Hash> accounts_;
  std::unordered_map<FileId, uint32_t, Hash> open_;
  bool lost_track_ = false;  // There were too many accounts: a file without one may be the guest's own.
};

}  // namespace cloche::fs
