// GETATTR, SETATTR, READLINK.
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>

#include "devices/fs/requests.h"

namespace cloche::fs {
namespace {

Outcome<void> set_owner(Session& session, Inode& inode, const fuse_setattr_in& in) {
  auto uid = session.options.users.to_host(in.valid & FATTR_UID ? in.uid : IdMap::kUnchanged);
  auto gid = session.options.groups.to_host(in.valid & FATTR_GID ? in.gid : IdMap::kUnchanged);
  if (!uid || !gid) return refuse(EOVERFLOW);
  // The host clears set-id bits and file capabilities along with it, for root as well.
  const Fd* file = TRY(session.inodes.path(inode));
  if (::fchownat(file->get(), "", *uid, *gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0) return refuse_errno();
  return {};
}

Outcome<void> set_mode(Session& session, Inode& inode, uint32_t mode) {
  if (S_ISLNK(inode.mode)) return refuse(EOPNOTSUPP);
  return session.self.change_mode(*TRY(session.inodes.path(inode)), mode & 07777);
}

Outcome<void> set_size(Session& session, Inode& inode, const fuse_setattr_in& in) {
  if (inode.is_directory()) return refuse(EISDIR);
  if (!inode.is_regular()) return refuse(EINVAL);
  if (in.size > INT64_MAX) return refuse(EFBIG);
  Fd opened;
  int fd = -1;
  if (in.valid & FATTR_FH) {
    // The handle counts, not the file's mode: one who opened a file for writing may go on after it was made read-only.
    Handle* handle = TRY(session.handles.find(in.fh, Handle::Kind::kFile));
    fd = handle->fd.get();
  } else {
    opened = TRY(session.open_regular(inode, O_WRONLY));
    fd = opened.get();
  }
  Quota::Change change(session.quota, fd);
  if (::ftruncate(fd, static_cast<off_t>(in.size)) < 0) return refuse_errno();
  if (in.valid & FATTR_KILL_SUIDGID) session.kill_privileges(fd);
  return {};
}

Outcome<void> set_times(Session& session, Inode& inode, const fuse_setattr_in& in) {
  constexpr uint32_t kSecond = 1'000'000'000;
  auto time = [&](uint32_t set, uint32_t now, uint64_t seconds, uint32_t nanoseconds) -> Outcome<timespec> {
    if (in.valid & now) return timespec{0, UTIME_NOW};
    if ((in.valid & set) == 0) return timespec{0, UTIME_OMIT};
    if (nanoseconds >= kSecond) return refuse(EINVAL);  // Among them are UTIME_NOW and UTIME_OMIT.
    return timespec{static_cast<time_t>(seconds), static_cast<long>(nanoseconds)};
  };
  timespec times[2] = {TRY(time(FATTR_ATIME, FATTR_ATIME_NOW, in.atime, in.atimensec)),
                       TRY(time(FATTR_MTIME, FATTR_MTIME_NOW, in.mtime, in.mtimensec))};
  const Fd* file = TRY(session.inodes.path(inode));
  if (::utimensat(file->get(), "", times, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0) return refuse_errno();
  return {};
}

}  // namespace

Outcome<void> serve_getattr(Session& session, Request& request) {
  Inode* inode = TRY(session.inode(request.node()));
  request.reply(TRY(session.attribute_reply(*inode)));
  return {};
}

Outcome<void> serve_setattr(Session& session, Request& request) {
  auto in = request.arguments<fuse_setattr_in>();
  Inode* inode = TRY(session.inode(request.node()));
  if (inode->is_virtual() || inode->sealed) return refuse(EROFS);
  // The owner first, as changing it clears bits that a mode in the same request means to set.
  if (in.valid & (FATTR_UID | FATTR_GID)) TRY(set_owner(session, *inode, in));
  if (in.valid & FATTR_MODE) TRY(set_mode(session, *inode, in.mode));
  if (in.valid & FATTR_SIZE) TRY(set_size(session, *inode, in));
  constexpr uint32_t kTimes = FATTR_ATIME | FATTR_ATIME_NOW | FATTR_MTIME | FATTR_MTIME_NOW;
  if (in.valid & kTimes) TRY(set_times(session, *inode, in));
  request.reply(TRY(session.attribute_reply(*inode)));
  return {};
}

Outcome<void> serve_readlink(Session& session, Request& request) {
  Inode* inode = TRY(session.inode(request.node()));
  if (!S_ISLNK(inode->mode)) return refuse(EINVAL);
  std::span<const std::byte> target;
  if (inode->is_virtual()) {
    target = std::as_bytes(std::span(inode->contents->text));
  } else {
    const Fd* link = TRY(session.inodes.path(*inode));
    ssize_t size = ::readlinkat(link->get(), "", reinterpret_cast<char*>(session.scratch.data()), PATH_MAX);
    if (size < 0) return refuse_errno();
    target = session.scratch.bytes().first(static_cast<size_t>(size));
  }
  if (target.size() > request.room()) return refuse(ENAMETOOLONG);
  request.reply(target);
  return {};
}

}  // namespace cloche::fs
