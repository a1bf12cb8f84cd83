#include "devices/fs/session.h"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "devices/fs/dax_files.h"

namespace cloche::fs {
namespace {

using namespace std::chrono_literals;

constexpr uint32_t kBlockSize =
    4096;  // st_blksize of nodes in memory; what the guest reads ahead in is negotiated apart.

// What is held in memory does not change while the VM runs.
constexpr std::chrono::milliseconds kForever = 24h * 365;

}  // namespace

void Session::end() {
  handles.clear();
  locks.clear();
  locks_changed = true;
  inodes.clear();
  quota.end();
  if (window) window->clear();
  dax = false;
  started = false;
}

Outcome<Inode*> Session::inode(uint64_t id) {
  Inode* found = inodes.find(id);
  if (found == nullptr) return refuse(ENOENT);
  return found;
}

Outcome<Inode*> Session::changeable_directory(uint64_t id) {
  Inode* found = TRY(inode(id));
  if (!found->is_directory()) return refuse(ENOTDIR);
  if (found->is_virtual() || found->sealed) return refuse(EROFS);
  return found;
}

Outcome<Session::Found> Session::intern(Fd path, Inode& parent, const char* name) {
  HostStat stat = TRY(stat_of(path));
  Inode* found = TRY(inodes.intern(std::move(path), stat, parent, name));
  return Found{found, attributes_of(*found, stat)};
}

Outcome<Session::Found> Session::find_child(Inode& parent, const char* name) {
  if (!parent.is_directory()) return refuse(ENOTDIR);
  if (parent.sealed) return refuse(ENOENT);
  const VirtualNode::Child* child = parent.named(name);
  if (child != nullptr) return Found{child->inode, TRY(attributes(*child->inode))};
  if (parent.is_virtual()) return refuse(ENOENT);
  const Fd* directory = TRY(inodes.path(parent));
  return intern(TRY(open_beneath(*directory, name, O_PATH)), parent, name);
}

fuse_entry_out Session::entry(Inode& parent, const Found& found) const {
  fuse_entry_out out{};
  out.nodeid = found.inode->id;
  out.attr = found.attributes;
  // What is gone after the first look must be asked for again.
  auto named_for = found.inode->found_once ? 0ms : parent.is_virtual() ? kForever : entry_timeout();
  set_timeout(named_for, out.entry_valid, out.entry_valid_nsec);
  set_timeout(found.inode->is_virtual() ? kForever : attribute_timeout(), out.attr_valid, out.attr_valid_nsec);
  return out;
}

Outcome<fuse_entry_out> Session::enter(Inode& parent, const char* name) {
  Found found = TRY(find_child(parent, name));
  ++found.inode->lookups;
  return entry(parent, found);
}

fuse_attr Session::from_stat(const HostStat& stat) {
  fuse_attr attr{};
  attr.ino = inodes.shown_number(device_of(stat), stat.stx_ino);
  attr.size = stat.stx_size;
  attr.blocks = stat.stx_blocks;
  attr.atime = static_cast<uint64_t>(stat.stx_atime.tv_sec);
  attr.mtime = static_cast<uint64_t>(stat.stx_mtime.tv_sec);
  attr.ctime = static_cast<uint64_t>(stat.stx_ctime.tv_sec);
  attr.atimensec = stat.stx_atime.tv_nsec;
  attr.mtimensec = stat.stx_mtime.tv_nsec;
  attr.ctimensec = stat.stx_ctime.tv_nsec;
  attr.mode = stat.stx_mode;
  attr.nlink = stat.stx_nlink;
  attr.uid = options.users.to_guest(stat.stx_uid);
  attr.gid = options.groups.to_guest(stat.stx_gid);
  attr.rdev = static_cast<uint32_t>(::makedev(stat.stx_rdev_major, stat.stx_rdev_minor));
  attr.blksize = stat.stx_blksize;
  return attr;
}

fuse_attr Session::attributes_of(Inode& inode, const HostStat& stat) {
  if (window && window->any_cut()) restore_grown(*this, inode.id, stat.stx_size);
  fuse_attr attr = from_stat(stat);
  if (dax && is_for_dax(*this, inode, stat)) attr.flags |= FUSE_ATTR_DAX;
  return attr;
}

Outcome<fuse_attr> Session::attributes(Inode& inode) {
  if (!inode.is_virtual()) {
    const Fd* path = TRY(inodes.path(inode));
    return attributes_of(inode, TRY(stat_of(*path)));
  }
  fuse_attr attr{};
  attr.ino = InodeTable::shown_number(inode);
  attr.size = inode.contents->text.size();
  attr.blocks = (attr.size + 511) / 512;
  attr.mode = inode.mode;
  attr.nlink = inode.is_directory() ? 2 : 1;
  attr.blksize = kBlockSize;
  return attr;
}

Outcome<fuse_attr_out> Session::attribute_reply(Inode& inode) {
  fuse_attr_out out{};
  out.attr = TRY(attributes(inode));
  set_timeout(inode.is_virtual() ? kForever : attribute_timeout(), out.attr_valid, out.attr_valid_nsec);
  return out;
}

void Session::set_timeout(std::chrono::milliseconds timeout, uint64_t& seconds, uint32_t& nanoseconds) const {
  auto whole = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  seconds = static_cast<uint64_t>(whole.count());
  nanoseconds = static_cast<uint32_t>(std::chrono::nanoseconds(timeout - whole).count());
}

Outcome<Fd> Session::open_regular(Inode& inode, int flags) {
  if (inode.is_directory()) return refuse(EISDIR);
  if (S_ISLNK(inode.mode)) return refuse(ELOOP);
  if (!inode.is_regular() || inode.sealed) return refuse(EACCES);
  // O_NONBLOCK: a file under a lease or mandatory lock elsewhere shall not stop the loop.
  const Fd* path = TRY(inodes.path(inode));
  return self.reopen(*path, flags | O_NOCTTY | O_NONBLOCK);
}

Outcome<Fd> Session::open_either(Inode& inode) {
  if (inode.sealed || inode.is_virtual()) return refuse(EOPNOTSUPP);
  if (inode.is_directory()) {
    const Fd* path = TRY(inodes.path(inode));
    return self.reopen(*path, O_RDONLY | O_DIRECTORY);
  }
  if (!inode.is_regular()) return refuse(EOPNOTSUPP);
  return open_regular(inode, O_RDONLY);
}

void Session::kill_privileges(int fd) const {
  if (!as_root) return;
  struct stat now{};
  if (::fstat(fd, &now) < 0 || !S_ISREG(now.st_mode)) return;
  mode_t mode = now.st_mode & 07777 & ~static_cast<mode_t>(S_ISUID);
  if (mode & S_IXGRP)
    mode &= ~static_cast<mode_t>(S_ISGID);  // Without it the bit means something else (mandatory locking).
  if (mode != (now.st_mode & 07777)) ::fchmod(fd, mode);
}

void Session::kill_set_group(int fd) const {
  struct stat now{};
  if (::fstat(fd, &now) < 0 || S_ISDIR(now.st_mode) || (now.st_mode & S_ISGID) == 0) return;
  ::fchmod(fd, now.st_mode & 07777 & ~static_cast<mode_t>(S_ISGID));
}

Outcome<Maker> Session::maker(const fuse_in_header& header, uint32_t umask) const {
  auto uid = options.users.to_host(header.uid), gid = options.groups.to_host(header.gid);
  if (!uid || !gid || *uid == IdMap::kUnchanged || *gid == IdMap::kUnchanged) return refuse(EOVERFLOW);
  // What comes without FUSE_DONT_MASK has the umask applied.
  return Maker{.uid = *uid, .gid = *gid, .umask = agreed & FUSE_DONT_MASK ? umask : 0};
}

Creator Session::creator(const Maker& maker) {
  if (!std::exchange(thread_prepared, true)) Creator::prepare_thread();
  return Creator(as_root ? Creator::Identity::kRequested : Creator::Identity::kOwn, maker);
}

std::chrono::milliseconds Session::entry_timeout() const {
  return options.cache == Cache::kAlways ? kForever : options.cache == Cache::kNone ? 0ms : options.entry_timeout;
}

std::chrono::milliseconds Session::attribute_timeout() const {
  return options.cache == Cache::kAlways ? kForever : options.cache == Cache::kNone ? 0ms : options.attribute_timeout;
}

}  // namespace cloche::fs
