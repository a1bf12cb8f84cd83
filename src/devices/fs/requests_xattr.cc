// GETXATTR, SETXATTR, LISTXATTR, REMOVEXATTR: extended attributes, of regular files and directories, in the namespaces
// where a guest's attribute means on the host what it says.
#include <limits.h>
#include <linux/limits.h>
#include <sys/xattr.h>

#include <algorithm>
#include <string_view>

#include "devices/fs/requests.h"

namespace cloche::fs {
namespace {

// The access and default ACLs go where the guest's kernel looks at them as well; ids in them are the guest's, so a map
// of ids leaves no room for them.
bool is_acl(std::string_view name) { return name.starts_with("system.posix_acl_"); }

// user.* is the guest's own affair, and file capabilities go with the set-id bits. The others steer the host: trusted.*
// its overlay file systems, security.* its labels and signatures, system.posix_acl_* its permission checks.
bool passes(const Session& session, std::string_view name) {
  constexpr std::string_view kUser = "user.";
  if (name.starts_with(kUser) && name.size() > kUser.size()) return true;
  if (name == "security.capability") return true;
  return is_acl(name) && (session.agreed & FUSE_POSIX_ACL);
}

Outcome<void> check_name(const Session& session, std::string_view name, int otherwise) {
  if (name.empty() || name.size() > XATTR_NAME_MAX) return refuse(ERANGE);
  if (passes(session, name)) return {};
  // "Not supported" ends the question for a namespace; ls would otherwise ask for an ACL on every file.
  return refuse(name.starts_with("system.") ? EOPNOTSUPP : otherwise);
}

// Replies with a value or list in the way both GETXATTR and LISTXATTR have it: its size alone when asked with size 0.
Outcome<void> reply_sized(Request& request, uint32_t asked, std::span<const std::byte> bytes) {
  if (asked == 0) {
    if (request.room() < sizeof(fuse_getxattr_out)) return refuse(EINVAL);
    request.reply(fuse_getxattr_out{.size = static_cast<uint32_t>(bytes.size()), .padding = 0});
    return {};
  }
  if (bytes.size() > asked || bytes.size() > request.room()) return refuse(ERANGE);
  request.reply(bytes);
  return {};
}

}  // namespace

Outcome<void> serve_getxattr(Session& session, Request& request) {
  auto in = request.arguments<fuse_getxattr_in>();
  Inode* inode = TRY(session.inode(request.node()));
  TRY(check_name(session, request.text(), ENODATA));
  Outcome<Fd> file = session.open_either(*inode);
  if (!file) return refuse(file.error().value == EOPNOTSUPP ? ENODATA : file.error().value);
  ssize_t size = ::fgetxattr(file->get(), request.text(), session.scratch.data(), session.scratch.size());
  if (size < 0) return refuse_errno();
  return reply_sized(request, in.size, session.scratch.bytes().first(static_cast<size_t>(size)));
}

Outcome<void> serve_setxattr(Session& session, Request& request) {
  struct Head {
    uint32_t size, flags;
  };
  struct More {  // With FUSE_SETXATTR_EXT.
    uint32_t flags, padding;
  };
  auto in = request.arguments<Head>();
  More more{};
  Inode* inode = TRY(session.inode(request.node()));
  auto tail = request.tail();
  if (session.agreed & FUSE_SETXATTR_EXT) {
    if (tail.size() < sizeof more) return refuse(EINVAL);
    std::memcpy(&more, tail.data(), sizeof more);
    tail = tail.subspan(sizeof more);
  }
  auto end = std::ranges::find(tail, std::byte{0});
  if (end == tail.end()) return refuse(EINVAL);
  auto value = tail.subspan(static_cast<size_t>(end - tail.begin()) + 1);
  if (value.size() != in.size) return refuse(EINVAL);
  if (in.size > XATTR_SIZE_MAX) return refuse(E2BIG);
  if (in.flags & ~static_cast<uint32_t>(XATTR_CREATE | XATTR_REPLACE)) return refuse(EINVAL);
  if (inode->is_virtual() || inode->sealed) return refuse(EROFS);
  auto* name = reinterpret_cast<const char*>(tail.data());
  TRY(check_name(session, name, EPERM));
  Fd file = TRY(session.open_either(*inode));
  TRY(session.quota.check_bytes(value.size()));
  Quota::Change change(session.quota, file.get());
  if (::fsetxattr(file.get(), name, value.data(), value.size(), static_cast<int>(in.flags)) < 0) return refuse_errno();
  // Who sets an ACL on a file of a group he is not in loses its set-group-id bit; whether he is, the guest knows.
  if (is_acl(name) && (more.flags & FUSE_SETXATTR_ACL_KILL_SGID)) session.kill_set_group(file.get());
  return {};
}

Outcome<void> serve_listxattr(Session& session, Request& request) {
  auto in = request.arguments<fuse_getxattr_in>();
  Inode* inode = TRY(session.inode(request.node()));
  Outcome<Fd> file = session.open_either(*inode);
  if (!file && file.error().value == EOPNOTSUPP) return reply_sized(request, in.size, {});
  if (!file) return std::unexpected(file.error());
  auto* list = reinterpret_cast<char*>(session.scratch.data());
  ssize_t size = ::flistxattr(file->get(), list, session.scratch.size());
  if (size < 0) return refuse_errno();
  size_t kept = 0;
  for (size_t at = 0; at < static_cast<size_t>(size);) {
    size_t length = std::strlen(list + at) + 1;
    if (passes(session, list + at)) {
      std::memmove(list + kept, list + at, length);
      kept += length;
    }
    at += length;
  }
  return reply_sized(request, in.size, session.scratch.bytes().first(kept));
}

Outcome<void> serve_removexattr(Session& session, Request& request) {
  Inode* inode = TRY(session.inode(request.node()));
  if (inode->is_virtual() || inode->sealed) return refuse(EROFS);
  TRY(check_name(session, request.text(), EPERM));
  Fd file = TRY(session.open_either(*inode));
  Quota::Change change(session.quota, file.get());
  if (::fremovexattr(file.get(), request.text()) < 0) return refuse_errno();
  return {};
}

}  // namespace cloche::fs
