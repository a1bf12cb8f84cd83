// GETLK, SETLK, SETLKW: locks that count on the host (LockScope::kHost in the options; otherwise the guest keeps its
// own).
#include <fcntl.h>
#include <sys/file.h>

#include "devices/fs/requests.h"

namespace cloche::fs {
namespace {

// Write locks need a file open for writing; a file that may only be read can be locked for reading.
Outcome<Fd> open_to_lock(Session& session, Inode& inode) {
  int access = session.options.read_only ? O_RDONLY : O_RDWR;
  Outcome<Fd> file = session.open_regular(inode, access);
  if (file || access == O_RDONLY || file.error().value != EACCES) return file;
  file = session.open_regular(inode, O_RDONLY);
  return file ? std::move(file) : session.open_regular(inode, O_WRONLY);
}

// flock(2): of the open file itself.
Outcome<void> lock_whole(Session& session, const fuse_lk_in& in) {
  Handle* handle = TRY(session.handles.find(in.fh, Handle::Kind::kFile));
  if (!handle->fd) return refuse(EOPNOTSUPP);
  int operation = in.lk.type == F_RDLCK ? LOCK_SH : in.lk.type == F_WRLCK ? LOCK_EX : LOCK_UN;
  if (::flock(handle->fd.get(), operation | LOCK_NB) < 0) return refuse(errno == EWOULDBLOCK ? EAGAIN : errno);
  // A shared lock in place of an exclusive one lets others in as well.
  if (operation != LOCK_EX) session.locks_changed = true;
  return {};
}

Outcome<void> lock(Session& session, Request& request) {
  auto in = request.arguments<fuse_lk_in>();
  if (session.options.locks == LockScope::kGuest) return refuse(ENOSYS);
  Inode* inode = TRY(session.inode(request.node()));
  if (in.lk_flags & ~static_cast<uint32_t>(FUSE_LK_FLOCK)) return refuse(EINVAL);
  if (in.lk_flags & FUSE_LK_FLOCK) return lock_whole(session, in);
  if (inode->is_virtual()) return refuse(EOPNOTSUPP);
  auto open = [&] { return open_to_lock(session, *inode); };
  TRY(session.locks.set({request.node(), in.owner}, in.lk, open));
  if (in.lk.type != F_WRLCK) session.locks_changed = true;
  return {};
}

}  // namespace

Outcome<void> serve_getlk(Session& session, Request& request) {
  auto in = request.arguments<fuse_lk_in>();
  if (session.options.locks == LockScope::kGuest) return refuse(ENOSYS);
  Inode* inode = TRY(session.inode(request.node()));
  Handle* handle = TRY(session.handles.find(in.fh, Handle::Kind::kFile));
  if (inode->is_virtual() || !handle->fd) return refuse(EOPNOTSUPP);
  LockTable::Owner owner{request.node(), in.owner};
  request.reply(fuse_lk_out{.lk = TRY(session.locks.find_conflict(owner, in.lk, handle->fd.get()))});
  return {};
}

Outcome<void> serve_setlk(Session& session, Request& request) { return lock(session, request); }

// The guest waits for it, and so does the request: it is tried again when a lock goes, here or on the host.
Outcome<void> serve_setlkw(Session& session, Request& request) {
  Outcome<void> done = lock(session, request);
  if (!done && done.error().value == EAGAIN) return refuse(kLater);
  return done;
}

}  // namespace cloche::fs
