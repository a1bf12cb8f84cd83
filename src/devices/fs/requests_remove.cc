// UNLINK, RMDIR, RENAME, RENAME2: names that go.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "devices/fs/requests.h"

namespace cloche::fs {
namespace {

Outcome<void> remove(Session& session, Request& request, int flags) {
  Inode* parent = TRY(session.changeable_directory(request.node()));
  TRY(session.inodes.take_name(*parent, request.name()));
  const Fd* directory = TRY(session.inodes.path(*parent));
  if (::unlinkat(directory->get(), request.name(), flags) < 0) return refuse_errno();
  return {};
}

Outcome<void> rename(Session& session, Request& request, uint64_t new_parent, unsigned flags) {
  Inode* from = TRY(session.changeable_directory(request.node()));
  Inode* to = TRY(session.changeable_directory(new_parent));
  // Two leaves of a share's tree stand to each other as two mounts do.
  if (from->leaf != to->leaf) return refuse(EXDEV);
  Inode* moved = TRY(session.inodes.take_name(*from, request.name(0)));
  Inode* replaced = TRY(session.inodes.take_name(*to, request.name(1)));
  const Fd* from_path = TRY(session.inodes.path(*from));
  const Fd* to_path = TRY(session.inodes.path(*to));
  if (::renameat2(from_path->get(), request.name(0), to_path->get(), request.name(1), flags) < 0) {
    int error = errno;
    if (moved != nullptr) session.inodes.give_name(*moved, *from, request.name(0));
    if (replaced != nullptr) session.inodes.give_name(*replaced, *to, request.name(1));
    return refuse(error);
  }
  if (moved != nullptr) session.inodes.give_name(*moved, *to, request.name(1));
  if (replaced != nullptr && (flags & RENAME_EXCHANGE)) session.inodes.give_name(*replaced, *from, request.name(0));
  return {};
}

}  // namespace

Outcome<void> serve_unlink(Session& session, Request& request) { return remove(session, request, 0); }

Outcome<void> serve_rmdir(Session& session, Request& request) { return remove(session, request, AT_REMOVEDIR); }

Outcome<void> serve_rename(Session& session, Request& request) {
  return rename(session, request, request.arguments<fuse_rename_in>().newdir, 0);
}

Outcome<void> serve_rename2(Session& session, Request& request) {
  auto in = request.arguments<fuse_rename2_in>();
  if (in.flags & ~static_cast<uint32_t>(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) return refuse(EINVAL);
  return rename(session, request, in.newdir, in.flags);
}

}  // namespace cloche::fs
