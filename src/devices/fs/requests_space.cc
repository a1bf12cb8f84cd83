// FALLOCATE, LSEEK, COPY_FILE_RANGE: a file's space, without its data passing through the guest.
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include <algorithm>

#include "devices/fs/dax_files.h"
#include "devices/fs/requests.h"

namespace cloche::fs {
namespace {

// Of one COPY_FILE_RANGE, so that the loop comes back to other devices; the guest's program asks for the rest.
constexpr uint64_t kMaxCopyBytes = 16 << 20;

Outcome<int> host_file(Session& session, uint64_t handle_id) {
  Handle* handle = TRY(session.handles.find(handle_id, Handle::Kind::kFile));
  if (!handle->fd) return refuse(EOPNOTSUPP);
  return handle->fd.get();
}

}  // namespace

Outcome<void> serve_fallocate(Session& session, Request& request) {
  auto in = request.arguments<fuse_fallocate_in>();
  constexpr uint32_t kModes = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
  if (in.mode & ~kModes) return refuse(EOPNOTSUPP);
  if (in.offset > INT64_MAX || in.length > INT64_MAX) return refuse(EINVAL);
  int fd = TRY(host_file(session, in.fh));
  if ((in.mode & FALLOC_FL_PUNCH_HOLE) == 0) TRY(session.quota.check_range(fd, in.offset, in.length));
  Quota::Change change(session.quota, fd);
  int failed;
  do {
    failed = ::fallocate(fd, static_cast<int>(in.mode), static_cast<off_t>(in.offset), static_cast<off_t>(in.length));
  } while (failed < 0 && errno == EINTR);
  if (failed < 0) return refuse_errno();
  may_have_grown(session, request.node());
  return {};
}

// Only where data and holes are: positions are the guest's own. It moves the host's position, which nothing here uses.
Outcome<void> serve_lseek(Session& session, Request& request) {
  auto in = request.arguments<fuse_lseek_in>();
  if (in.whence != SEEK_DATA && in.whence != SEEK_HOLE) return refuse(EINVAL);
  Handle* handle = TRY(session.handles.find(in.fh, Handle::Kind::kFile));
  if (in.offset > INT64_MAX) return refuse(ENXIO);
  fuse_lseek_out out{};
  if (handle->contents != nullptr) {
    uint64_t size = handle->contents->text.size();
    if (in.offset >= size) return refuse(ENXIO);
    out.offset = in.whence == SEEK_DATA ? in.offset : size;
  } else {
    off_t found = ::lseek(handle->fd.get(), static_cast<off_t>(in.offset), static_cast<int>(in.whence));
    if (found < 0) return refuse_errno();
    out.offset = static_cast<uint64_t>(found);
  }
  request.reply(out);
  return {};
}

Outcome<void> serve_copy_file_range(Session& session, Request& request) {
  auto in = request.arguments<fuse_copy_file_range_in>();
  if (in.flags != 0) return refuse(EINVAL);
  if (in.off_in > INT64_MAX || in.off_out > INT64_MAX) return refuse(EINVAL);
  int from = TRY(host_file(session, in.fh_in));
  int to = TRY(host_file(session, in.fh_out));
  auto from_offset = static_cast<off_t>(in.off_in);
  auto to_offset = static_cast<off_t>(in.off_out);
  size_t size = static_cast<size_t>(std::min(in.len, kMaxCopyBytes));
  TRY(session.quota.check_range(to, in.off_out, size));
  Quota::Change change(session.quota, to);
  ssize_t copied;
  do {
    copied = ::copy_file_range(from, &from_offset, to, &to_offset, size, 0);
  } while (copied < 0 && errno == EINTR);
  if (copied < 0) return refuse_errno();
  may_have_grown(session, in.nodeid_out);
  request.reply(fuse_write_out{.size = static_cast<uint32_t>(copied), .padding = 0});
  return {};
}

}  // namespace cloche::fs
