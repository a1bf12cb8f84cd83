// OpenPaths: which inodes hold the descriptor of their file. A guest knows more files than a process may have open, so
// beyond a limit the one that was not used for longest gives its descriptor up. Its file is found again by its handle
// (name_to_handle_at(2)) where the host permits that, and elsewhere by its name beneath its parent.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/fd.h"
#include "devices/fs/outcome.h"

namespace cloche::fs {

struct Inode;

// How many files a share may hold open.
struct Descriptors {
  size_t paths = 0;                // Of inodes.
  std::shared_ptr<size_t> opened;  // Left for open files and directories, of all shares of the process together.

  // This process's limit less what the rest of it needs, divided among so many shares.
  static Descriptors among(size_t shares);
};

class OpenPaths {
 public:
  explicit OpenPaths(size_t limit) : limit_(limit) {}

  // A mount that inodes may lie in, by a directory there: learns whether handles lead to its files.
  void add_mount(uint64_t mount, const Fd& directory);
  // False: inodes of that mount are found by name, so theirs must be kept up to date.
  bool has_handles(uint64_t mount) const { return mounts_.contains(mount); }
  // Some inode may be found by name.
  bool uses_names() const { return uses_names_; }

  // The inode has got its descriptor. False: there is no room for it, as no other can give one up.
  bool add(Inode& inode);
  void remove(Inode& inode);
  // A name was found for it: it can be looked for by that, if it could not before.
  void named(Inode& inode);
  void clear();
  // The inode's descriptor, opened anew where it was given up: ESTALE when the file is not to be found any more. Valid
  // until a few more were opened: a request may use those of its two or three inodes together.
  Outcome<const Fd*> open(Inode& inode);
  size_t size() const { return recent_.size() + kept_; }

 private:
  // Directories between a file and the nearest one that is open. A guest can make them as deep as it likes.
  static constexpr size_t kMostReopened = 4096;

  bool make_room();
  bool can_be_found(Inode& inode) const;
  Outcome<void> reopen(Inode& inode);
  Outcome<Fd> find_by_handle(const Inode& inode) const;
  Outcome<Fd> find_by_name(const Inode& inode) const;

  size_t limit_;
  size_t kept_ = 0;                          // Inodes with a descriptor that cannot be found again.
  std::list<Inode*> recent_;                 // Those that can, the most recently used first.
  std::unordered_map<uint64_t, Fd> mounts_;  // An open directory in each mount whose files handles lead to.
  bool uses_names_ = false;
};

}  // namespace cloche::fs
