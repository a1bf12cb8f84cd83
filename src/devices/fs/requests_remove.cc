// UNLINK, RMDIR, RENAME, RENAME2: names that go.
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "devices/fs/requests.h"

namespace cloche::fs {
namespace {

Outcome<void> remove(Session& session, Request& request, int flags) {
  const Inode* parent = TRY(session.changeable_directory(request.node()));
  if (::unlinkat(parent->path.get(), request.name(), flags) < 0) return refuse_errno();
  return {};
}

Outcome<void> rename(Session& session, Request& request, uint64_t new_parent, unsigned flags) {
  const Inode* from = TRY(session.changeable_directory(request.node()));
  const Inode* to = TRY(session.changeable_directory(new_parent));
  // Two leaves of a share's tree stand to each other as two mounts do.
  if (from->leaf != to->leaf) return refuse(EXDEV);
  if (::renameat2(from->path.get(), request.name(0), to->path.get(), request.name(1), flags) < 0) return refuse_errno();
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
