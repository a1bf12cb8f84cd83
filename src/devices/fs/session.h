// Session: what the FUSE server knows of one guest, and the steps that several requests share.
#pragma once

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "base/mmap.h"
#include "devices/fs/dax_window.h"
#include "devices/fs/handle.h"
#include "devices/fs/inode.h"
#include "devices/fs/lock_table.h"
#include "devices/fs/options.h"
#include "devices/fs/request.h"

namespace cloche::fs {

struct Session {
  Options options;
  Log log;
  SelfFd self;
  InodeTable inodes;
  Quota quota{options.quota};  // Outlives the handles, which it counts.
  HandleTable handles{options.descriptors.opened};
  LockTable locks;
  bool locks_changed = false;  // Somebody may get a lock now for which a request waits.
  uint64_t interrupted = 0;    // The request that the guest last gave up waiting for; 0: none.
  bool started = false;        // INIT was answered.
  uint32_t agreed = 0;         // The flags of that answer.
  std::optional<DaxWindow> window{};
  bool dax = false;                               // The guest maps files through the window.
  std::unordered_map<uint64_t, bool> mappable{};  // By device: whether its files can be mapped (dax_files.h).
  bool as_root = false;  // New files can be given to the guest's user, and the host does not clear suid bits for us.
  bool thread_prepared = false;  // Creator::prepare_thread() was called.
  // Each of kMaxBodyBytes; of a mapping only what is touched takes memory.
  Mmap body;     // The request being served.
  Mmap scratch;  // A reply being put together.

  // Forgets the guest: its handles and what it looked up.
  void end();

  // ENOENT for an id that was never given out or is forgotten.
  Outcome<Inode*> inode(uint64_t id);
  // A host directory whose entries can be changed: EROFS for a virtual or sealed one.
  Outcome<Inode*> changeable_directory(uint64_t id);

  // Finds `name` in `parent`. Does not count a lookup.
  struct Found {
    Inode* inode;
    fuse_attr attributes;
  };
  Outcome<Found> find_child(Inode& parent, const char* name);
  // The same, counted, as the guest is told of it.
  Outcome<fuse_entry_out> enter(Inode& parent, const char* name);
  fuse_entry_out entry(Inode& parent, const Found& found) const;
  Outcome<Found> intern(Fd path, Inode& parent, const char* name);

  Outcome<fuse_attr> attributes(Inode& inode);
  Outcome<fuse_attr_out> attribute_reply(Inode& inode);
  // How long the guest may go without asking.
  std::chrono::milliseconds entry_timeout() const;
  std::chrono::milliseconds attribute_timeout() const;
  void set_timeout(std::chrono::milliseconds timeout, uint64_t& seconds, uint32_t& nanoseconds) const;

  // A host inode's file, open: EISDIR, ELOOP or EACCES for what is not a regular file.
  Outcome<Fd> open_regular(Inode& inode, int flags);
  // A regular file or directory open for reading, of any other kind EOPNOTSUPP.
  Outcome<Fd> open_either(Inode& inode);
  // Clears set-user-id and set-group-id as Linux does for a writer without CAP_FSETID; the host does it itself unless
  // we are root.
  void kill_privileges(int fd) const;
  void kill_set_group(int fd) const;
  // Who made this request, as an owner of files on the host: EOVERFLOW (as Linux has it) where nobody there is meant.
  Outcome<Maker> maker(const fuse_in_header& header, uint32_t umask) const;
  // To be held while something is made.
  Creator creator(const Maker& maker);

 private:
  fuse_attr attributes_of(Inode& inode, const HostStat& stat);
  fuse_attr from_stat(const HostStat& stat);
};

}  // namespace cloche::fs
