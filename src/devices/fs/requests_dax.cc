// SETUPMAPPING, REMOVEMAPPING: parts of files that the guest wants in the DAX window.
#include <fcntl.h>

#include "devices/fs/requests.h"

namespace cloche::fs {
namespace {

// Of one REMOVEMAPPING. Linux sends at most a page of them; more do not fit into a request's body anyway.
constexpr size_t kMostRemoved = 4096 / sizeof(fuse_removemapping_one);

}  // namespace

// The request names an inode and no handle (Linux sends none): the guest's kernel has checked who may open the file,
// and the host checks what our user may.
Outcome<void> serve_setup_mapping(Session& session, Request& request) {
  auto in = request.arguments<fuse_setupmapping_in>();
  if (!session.dax) return refuse(ENOSYS);
  if (in.flags & ~(FUSE_SETUPMAPPING_FLAG_READ | FUSE_SETUPMAPPING_FLAG_WRITE)) return refuse(EINVAL);
  bool writable = in.flags & FUSE_SETUPMAPPING_FLAG_WRITE;
  if (writable && session.options.read_only) return refuse(EROFS);
  Inode* inode = TRY(session.inode(request.node()));
  if (inode->is_virtual()) return refuse(EOPNOTSUPP);
  Fd file = TRY(session.open_regular(*inode, writable ? O_RDWR : O_RDONLY));
  return session.window->map({in.moffset, in.len}, {inode->id, in.foffset, writable}, file.get());
}

Outcome<void> serve_remove_mapping(Session& session, Request& request) {
  size_t count = request.arguments<fuse_removemapping_in>().count;
  if (!session.dax) return refuse(ENOSYS);
  fuse_removemapping_one one;
  if (count > kMostRemoved || request.tail().size() != count * sizeof one) return refuse(EINVAL);
  Outcome<void> all;
  for (size_t i = 0; i < count; ++i) {
    std::memcpy(&one, request.tail().data() + i * sizeof one, sizeof one);
    Outcome<void> removed = session.window->unmap({one.moffset, one.len});
    if (!removed) all = removed;
  }
  return all;
}

}  // namespace cloche::fs
