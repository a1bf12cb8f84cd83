// CREATE, TMPFILE, MKNOD, MKDIR, SYMLINK, LINK: new names. The act is done by name beneath the parent; what it made is
// then looked up like anything else, so that a name changed meanwhile on the host leads to another file of the share,
// never out of it.
#include <fcntl.h>
#include <limits.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "devices/fs/requests.h"

namespace cloche::fs {
namespace {

// Where a new name goes. What is made and cannot be answered for would be left behind, so there must be room to know
// it.
Outcome<Inode*> parent_of_name(Session& session, const Request& request) {
  Inode* parent = TRY(session.changeable_directory(request.node()));
  if (session.inodes.full()) return refuse(ENFILE);
  if (request.name() != nullptr && parent->named(request.name()) != nullptr) return refuse(EEXIST);
  TRY(session.quota.check_name());
  return parent;
}

// The same for a new file.
Outcome<Inode*> parent_of_new(Session& session, const Request& request) {
  Inode* parent = TRY(parent_of_name(session, request));
  TRY(session.quota.check_file());
  return parent;
}

// A device number as it stands in a request: the 32 bits that Linux's kernel packs it into, 12 of them for the major.
dev_t host_device(uint32_t packed) {
  return ::makedev((packed >> 8) & 0xfff, (packed & 0xff) | ((packed >> 12) & 0xfff00));
}

// Replies with what was just made.
Outcome<void> reply_made(Session& session, Request& request, Inode& parent) {
  session.quota.made();
  Session::Found found = TRY(session.find_child(parent, request.name()));
  session.quota.measured(found.inode->file_id(), found.attributes.blocks * 512);
  ++found.inode->lookups;
  request.reply(session.entry(parent, found));
  return {};
}

// The file was there already, and the guest takes that: it opens it, as after a lookup.
Outcome<void> open_existing(Session& session, Request& request, Inode& parent, const fuse_create_in& in) {
  Session::Found found = TRY(session.find_child(parent, request.name()));
  Outcome<fuse_open_out> open = open_inode(session, *found.inode, in.flags, in.open_flags);
  if (!open) {
    session.inodes.forget(found.inode->id, 0);  // Drops it if nobody else knows it.
    return std::unexpected(open.error());
  }
  if (in.flags & O_TRUNC) found.attributes = TRY(session.attributes(*found.inode));
  ++found.inode->lookups;
  request.reply(session.entry(parent, found));
  request.reply(*open);
  session.inodes.found(request.node(), request.name());
  return {};
}

// Replies with a file that was just made and opened.
Outcome<void> reply_created(Session& session, Request& request, Inode& parent, Fd file) {
  Fd path = TRY(session.self.reopen(file, O_PATH));
  Session::Found found =
      TRY(session.intern(std::move(path), parent, request.header().opcode == FUSE_TMPFILE ? "" : request.name()));
  Handle handle;
  handle.fd = std::move(file);
  Outcome<fuse_open_out> open =
      add_file_handle(session, *found.inode, std::move(handle), request.arguments<fuse_create_in>().flags);
  if (!open) {
    session.inodes.forget(found.inode->id, 0);
    return std::unexpected(open.error());
  }
  ++found.inode->lookups;
  request.reply(session.entry(parent, found));
  request.reply(*open);
  return {};
}

}  // namespace

Outcome<void> serve_create(Session& session, Request& request) {
  auto in = request.arguments<fuse_create_in>();
  Inode* parent = TRY(session.changeable_directory(request.node()));
  bool injected = parent->named(request.name()) != nullptr;
  if (injected && (in.flags & O_EXCL) == 0) return open_existing(session, request, *parent, in);
  TRY(parent_of_new(session, request));
  if (session.handles.full()) return refuse(ENFILE);
  Maker maker = TRY(session.maker(request.header(), in.umask));
  int flags = host_open_flags(session, in.flags) | O_CREAT | O_EXCL;
  const Fd* directory = TRY(session.inodes.path(*parent));
  Quota::Change growth(session.quota, directory->get());
  Outcome<Fd> file;
  {
    Creator creator = session.creator(maker);
    file = open_beneath(*directory, request.name(), flags, creator.safe_mode(in.mode));
  }
  if (!file && file.error().value == EEXIST && (in.flags & O_EXCL) == 0) {
    return open_existing(session, request, *parent, in);
  }
  if (!file) return std::unexpected(file.error());
  session.quota.made_file(file->get());
  return reply_created(session, request, *parent, std::move(*file));
}

// A file without a name, which a later LINK may give it one.
Outcome<void> serve_tmpfile(Session& session, Request& request) {
  auto in = request.arguments<fuse_create_in>();
  Inode* parent = TRY(parent_of_new(session, request));
  if (session.handles.full()) return refuse(ENFILE);
  if ((in.flags & O_ACCMODE) == O_RDONLY) return refuse(EINVAL);
  Maker maker = TRY(session.maker(request.header(), in.umask));
  int flags = host_open_flags(session, in.flags) | O_TMPFILE | static_cast<int>(in.flags & O_EXCL);
  const Fd* directory = TRY(session.inodes.path(*parent));
  Quota::Change growth(session.quota, directory->get());
  Outcome<Fd> file;
  {
    Creator creator = session.creator(maker);
    file = open_beneath(*directory, ".", flags, creator.safe_mode(in.mode));
  }
  if (!file) return std::unexpected(file.error());
  session.quota.made_nameless(file->get());
  return reply_created(session, request, *parent, std::move(*file));
}

Outcome<void> serve_mknod(Session& session, Request& request) {
  auto in = request.arguments<fuse_mknod_in>();
  Inode* parent = TRY(parent_of_new(session, request));
  uint32_t type = in.mode & S_IFMT;
  bool is_device = type == S_IFCHR || type == S_IFBLK;
  // Character device 0:0 leads to no device: overlay file systems mark a deleted file by it.
  bool is_whiteout = type == S_IFCHR && in.rdev == 0;
  if (is_device && !is_whiteout && session.options.device_nodes == DeviceNodes::kRefused) return refuse(EPERM);
  if (!is_device && type != S_IFREG && type != S_IFIFO && type != S_IFSOCK && type != 0) return refuse(EINVAL);
  Maker maker = TRY(session.maker(request.header(), in.umask));
  const Fd* directory = TRY(session.inodes.path(*parent));
  Quota::Change growth(session.quota, directory->get());
  {
    Creator creator = session.creator(maker);
    uint32_t mode = type | creator.safe_mode(in.mode);
    if (::mknodat(directory->get(), request.name(), mode, is_device ? host_device(in.rdev) : 0) < 0)
      return refuse_errno();
  }
  return reply_made(session, request, *parent);
}

Outcome<void> serve_mkdir(Session& session, Request& request) {
  auto in = request.arguments<fuse_mkdir_in>();
  Inode* parent = TRY(parent_of_new(session, request));
  Maker maker = TRY(session.maker(request.header(), in.umask));
  const Fd* directory = TRY(session.inodes.path(*parent));
  Quota::Change growth(session.quota, directory->get());
  {
    Creator creator = session.creator(maker);
    if (::mkdirat(directory->get(), request.name(), in.mode & 07777) < 0) return refuse_errno();
  }
  return reply_made(session, request, *parent);
}

Outcome<void> serve_symlink(Session& session, Request& request) {
  Inode* parent = TRY(parent_of_new(session, request));
  if (request.tail().size() <= 1) return refuse(ENOENT);  // An empty target, as the system call has it.
  if (request.tail().size() > PATH_MAX) return refuse(ENAMETOOLONG);
  Maker maker = TRY(session.maker(request.header(), 0));
  const Fd* directory = TRY(session.inodes.path(*parent));
  Quota::Change growth(session.quota, directory->get());
  {
    Creator creator = session.creator(maker);
    if (::symlinkat(request.text(), directory->get(), request.name()) < 0) return refuse_errno();
  }
  return reply_made(session, request, *parent);
}

Outcome<void> serve_link(Session& session, Request& request) {
  Inode* parent = TRY(parent_of_name(session, request));
  Inode* file = TRY(session.inode(request.arguments<fuse_link_in>().oldnodeid));
  if (file->is_virtual() || file->sealed) return refuse(EXDEV);
  if (file->is_directory()) return refuse(EPERM);
  const Fd* target = TRY(session.inodes.path(*file));
  const Fd* directory = TRY(session.inodes.path(*parent));
  Quota::Change growth(session.quota, directory->get());
  TRY(session.self.link(*target, *directory, request.name()));
  session.quota.named(file->file_id());
  request.reply(TRY(session.enter(*parent, request.name())));
  return {};
}

}  // namespace cloche::fs
