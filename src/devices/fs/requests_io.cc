// OPEN, READ, WRITE, FLUSH, RELEASE, FSYNC: open files. Data goes between the file and guest memory without a copy.
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "devices/fs/dax_files.h"
#include "devices/fs/requests.h"

namespace cloche::fs {
namespace {

bool wants_write(uint32_t flags) { return (flags & O_ACCMODE) != O_RDONLY; }

Outcome<fuse_open_out> open_virtual(Session& session, const Inode& inode, uint32_t flags) {
  if (inode.is_directory()) return refuse(EISDIR);
  if (!inode.is_regular()) return refuse(ELOOP);
  if (wants_write(flags) || (flags & O_TRUNC)) return refuse(EROFS);
  Handle handle;
  handle.contents = inode.contents;
  return add_file_handle(session, inode, std::move(handle), flags);
}

void read_virtual(const VirtualNode& contents, uint64_t offset, size_t size, Request& request) {
  auto bytes = std::as_bytes(std::span(contents.text));
  if (offset >= bytes.size()) return;
  auto rest = bytes.subspan(offset);
  request.reply(rest.first(std::min(size, rest.size())));
}

}  // namespace

// O_APPEND is not among them: write-back of a page may come through a handle opened with it and has to land where the
// page is, so each WRITE says what it is. O_DIRECT is dropped: guest buffers are not aligned as the host's file may
// need them.
int host_open_flags(const Session& session, uint32_t guest_flags) {
  constexpr uint32_t kPassed = O_ACCMODE | O_TRUNC | O_SYNC | O_DSYNC;
  auto flags = static_cast<int>(guest_flags & kPassed);
  // The guest's write-back cache reads the page that a program writes a part of.
  bool reads_too = (session.agreed & FUSE_WRITEBACK_CACHE) && (flags & O_ACCMODE) == O_WRONLY;
  return reads_too ? (flags & ~O_ACCMODE) | O_RDWR : flags;
}

Outcome<fuse_open_out> add_file_handle(Session& session, const Inode& inode, Handle handle, uint32_t guest_flags) {
  handle.kind = Handle::Kind::kFile;
  if (handle.fd) handle.use = Quota::Use(session.quota, handle.fd.get());
  fuse_open_out out{};
  out.fh = TRY(session.handles.add(std::move(handle)));
  out.open_flags = session.options.cache == Cache::kNone ? FOPEN_DIRECT_IO : FOPEN_KEEP_CACHE;
  // Its close has no errors to report: spares a request for each. Locks are given up by a flush, though.
  bool quiet_close = inode.local || !wants_write(guest_flags);
  if (quiet_close && session.options.locks == LockScope::kGuest) out.open_flags |= FOPEN_NOFLUSH;
  return out;
}

// A file that may be written and not read is opened as asked; the guest then cannot write parts of its pages.
Outcome<Fd> open_for_guest(Session& session, Inode& inode, uint32_t guest_flags) {
  int flags = host_open_flags(session, guest_flags);
  Outcome<Fd> file = session.open_regular(inode, flags);
  if (file || file.error().value != EACCES || (guest_flags & O_ACCMODE) != O_WRONLY) return file;
  return session.open_regular(inode, (flags & ~O_ACCMODE) | O_WRONLY);
}

Outcome<fuse_open_out> open_inode(Session& session, Inode& inode, uint32_t guest_flags, uint32_t fuse_flags) {
  if (inode.is_virtual()) return open_virtual(session, inode, guest_flags);
  if (session.options.read_only && (wants_write(guest_flags) || (guest_flags & O_TRUNC))) return refuse(EROFS);
  std::optional<Quota::Change> change;
  if (guest_flags & O_TRUNC) {
    const Fd* path = TRY(session.inodes.path(inode));
    change.emplace(session.quota, path->get());
  }
  Handle handle;
  handle.fd = TRY(open_for_guest(session, inode, guest_flags));
  if ((guest_flags & O_TRUNC) && (fuse_flags & FUSE_OPEN_KILL_SUIDGID)) session.kill_privileges(handle.fd.get());
  return add_file_handle(session, inode, std::move(handle), guest_flags);
}

Outcome<void> serve_open(Session& session, Request& request) {
  auto in = request.arguments<fuse_open_in>();
  Inode* inode = TRY(session.inode(request.node()));
  request.reply(TRY(open_inode(session, *inode, in.flags, in.open_flags)));
  return {};
}

// To the guest's kernel fewer bytes than it asked for are the end of the file, and it maps zeros from there. Network
// file systems, 9p among them, give fewer at other times too: only nothing at all is the end. (The emulated machine's
// files are 9p, so every VM test there reads like this.)
Outcome<void> read_file(int fd, off_t offset, size_t size, Request& request) {
  size_t done = 0;
  while (done < size) {
    Request::Vectors vectors;
    auto sink = request.sink(size - done, vectors);
    ssize_t got = ::preadv(fd, sink.data(), static_cast<int>(sink.size()), offset + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    // After some bytes as well: fewer of them without an error would be the end of the file.
    if (got < 0) return refuse_errno();
    if (got == 0) break;
    request.reply_data(static_cast<size_t>(got));
    done += static_cast<size_t>(got);
  }
  return {};
}

Outcome<void> serve_read(Session& session, Request& request) {
  auto in = request.arguments<fuse_read_in>();
  Handle* handle = TRY(session.handles.find(in.fh, Handle::Kind::kFile));
  size_t size = std::min<size_t>(in.size, request.room());
  if (handle->contents != nullptr) {
    read_virtual(*handle->contents, in.offset, size, request);
    return {};
  }
  if (in.offset > INT64_MAX) return refuse(EINVAL);
  return read_file(handle->fd.get(), static_cast<off_t>(in.offset), size, request);
}

Outcome<void> serve_write(Session& session, Request& request) {
  auto in = request.arguments<fuse_write_in>();
  Handle* handle = TRY(session.handles.find(in.fh, Handle::Kind::kFile));
  constexpr size_t kDataStart = sizeof(fuse_in_header) + sizeof(fuse_write_in);
  if (in.size != request.header().len - kDataStart) return refuse(EINVAL);
  // pwritev2 takes the offset -1 for the file's own position.
  if (in.offset > INT64_MAX) return refuse(EINVAL);
  if (handle->contents != nullptr) return refuse(EBADF);
  if (in.write_flags & FUSE_WRITE_KILL_SUIDGID) session.kill_privileges(handle->fd.get());
  // Appending happens at the host's end of file, which the guest may not know; its offset is then ignored.
  bool append = (in.flags & O_APPEND) && (in.write_flags & FUSE_WRITE_CACHE) == 0;
  Quota::Change change(session.quota, handle->fd.get());
  TRY(session.quota.check_range(handle->fd.get(), append ? change.size() : in.offset, in.size));
  Request::Vectors vectors;
  auto source = request.source(kDataStart, in.size, vectors);
  ssize_t put;
  do {
    put = ::pwritev2(handle->fd.get(), source.data(), static_cast<int>(source.size()), static_cast<off_t>(in.offset),
                     append ? RWF_APPEND : 0);
  } while (put < 0 && errno == EINTR);
  if (put < 0) return refuse_errno();
  may_have_grown(session, request.node());
  request.reply(fuse_write_out{.size = static_cast<uint32_t>(put), .padding = 0});
  return {};
}

// A close in the guest: closing a copy makes the host report what it kept back (a full disk behind NFS, a quota).
Outcome<void> serve_flush(Session& session, Request& request) {
  auto in = request.arguments<fuse_flush_in>();
  Handle* handle = TRY(session.handles.find(in.fh, Handle::Kind::kFile));
  // Whoever closes a file gives up his locks on it, all of them, as POSIX has it.
  if (session.locks.release({request.node(), in.lock_owner})) session.locks_changed = true;
  if (!handle->fd) return {};
  int copy = ::fcntl(handle->fd.get(), F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return refuse_errno();
  if (::close(copy) < 0 && errno != EINTR) return refuse_errno();
  return {};
}

Outcome<void> serve_release(Session& session, Request& request) {
  if (session.options.locks == LockScope::kHost) session.locks_changed = true;  // Its flock() goes with it.
  return session.handles.release(request.arguments<fuse_release_in>().fh, Handle::Kind::kFile);
}

Outcome<void> serve_fsync(Session& session, Request& request) {
  auto in = request.arguments<fuse_fsync_in>();
  Handle* handle = TRY(session.handles.find(in.fh, Handle::Kind::kFile));
  if (!handle->fd || session.options.read_only) return {};
  bool data_only = in.fsync_flags & FUSE_FSYNC_FDATASYNC;
  if ((data_only ? ::fdatasync(handle->fd.get()) : ::fsync(handle->fd.get())) < 0) return refuse_errno();
  return {};
}

}  // namespace cloche::fs
