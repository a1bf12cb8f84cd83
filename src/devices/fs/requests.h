// The requests a guest can make, one function each, grouped in files by what they are about. A function gets a request
// that the dispatcher checked (dispatch.cc has the table) and writes its reply; an errno is the whole reply.
#pragma once

#include "devices/fs/session.h"

namespace cloche::fs {

using Handler = Outcome<void>(Session& session, Request& request);

// requests_session.cc
Handler serve_init, serve_destroy, serve_interrupt, serve_statfs, serve_syncfs;
// requests_lookup.cc
Handler serve_lookup, serve_forget, serve_batch_forget;
// requests_attr.cc
Handler serve_getattr, serve_setattr, serve_readlink;
// requests_create.cc
Handler serve_create, serve_tmpfile, serve_mknod, serve_mkdir, serve_symlink, serve_link;
// requests_remove.cc
Handler serve_unlink, serve_rmdir, serve_rename, serve_rename2;
// requests_io.cc
Handler serve_open, serve_read, serve_write, serve_flush, serve_release, serve_fsync;
// requests_lock.cc
Handler serve_getlk, serve_setlk, serve_setlkw;
// requests_ioctl.cc
Handler serve_ioctl;
// requests_dax.cc
Handler serve_setup_mapping, serve_remove_mapping;
// requests_space.cc
Handler serve_fallocate, serve_lseek, serve_copy_file_range;
// requests_dir.cc
Handler serve_opendir, serve_readdir, serve_readdirplus, serve_releasedir, serve_fsyncdir;
// requests_xattr.cc
Handler serve_getxattr, serve_setxattr, serve_listxattr, serve_removexattr;

// Of OPEN and CREATE alike (requests_io.cc): which of the guest's open flags reach the host, and the handle as a reply.
int host_open_flags(const Session& session, uint32_t guest_flags);
Outcome<fuse_open_out> add_file_handle(Session& session, const Inode& inode, Handle handle, uint32_t guest_flags);
// Opens an existing regular file for a guest (requests_io.cc).
Outcome<fuse_open_out> open_inode(Session& session, Inode& inode, uint32_t guest_flags, uint32_t fuse_flags);

}  // namespace cloche::fs
