// IOCTL: the few of regular files and directories that mean on a host file what they mean in the guest.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "devices/fs/requests.h"

namespace cloche::fs {
namespace {

// Answers with the ioctl's result and what it wrote.
template <typename T>
Outcome<void> answer(Request& request, uint32_t room, const T& value) {
  if (room < sizeof value || request.room() < sizeof(fuse_ioctl_out) + sizeof value) return refuse(EINVAL);
  request.reply(fuse_ioctl_out{});
  request.reply(value);
  return {};
}

// libkrun's init says so what became of its command (facts of libkrun's interface): _IO('v', 2), with the code as the
// argument itself.
constexpr uint32_t kExitCode = 0x7602;

Outcome<void> take_exit_code(const Session& session, Request& request, const fuse_ioctl_in& in) {
  if (!session.options.take_exit_code || request.node() != FUSE_ROOT_ID) return refuse(ENOTTY);
  session.options.take_exit_code(static_cast<uint32_t>(in.arg));
  request.reply(fuse_ioctl_out{});
  return {};
}

}  // namespace

// lsattr and cp --reflink's kind of questions are answered. chattr's are refused: a file that the guest made immutable
// or append-only would be its owner's trouble on the host. ENOTTY is "no such ioctl for this file".
Outcome<void> serve_ioctl(Session& session, Request& request) {
  auto in = request.arguments<fuse_ioctl_in>();
  Inode* inode = TRY(session.inode(request.node()));
  // The guest's kernel asks unrestricted ones only of CUSE.
  if (in.flags & FUSE_IOCTL_UNRESTRICTED) return refuse(ENOTTY);
  switch (in.cmd) {
    case FS_IOC_GETFLAGS:
    case FS_IOC32_GETFLAGS: {
      if (inode->is_virtual() || inode->sealed) return refuse(ENOTTY);
      Fd file = TRY(session.open_either(*inode));
      int flags = 0;
      if (::ioctl(file.get(), FS_IOC_GETFLAGS, &flags) < 0) return refuse_errno();
      return answer(request, in.out_size, static_cast<uint32_t>(flags));
    }
    case FS_IOC_FSGETXATTR: {
      if (inode->is_virtual() || inode->sealed) return refuse(ENOTTY);
      Fd file = TRY(session.open_either(*inode));
      fsxattr attributes{};
      if (::ioctl(file.get(), FS_IOC_FSGETXATTR, &attributes) < 0) return refuse_errno();
      return answer(request, in.out_size, attributes);
    }
    case FS_IOC_SETFLAGS:
    case FS_IOC32_SETFLAGS:
    case FS_IOC_FSSETXATTR:
      return refuse(EOPNOTSUPP);
    case kExitCode:
      return take_exit_code(session, request, in);
    default:
      return refuse(ENOTTY);
  }
}

}  // namespace cloche::fs
