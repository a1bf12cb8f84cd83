// INIT, DESTROY, INTERRUPT, STATFS, SYNCFS: what concerns the share as a whole.
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

#include "devices/fs/requests.h"

namespace cloche::fs {
namespace {

constexpr uint32_t kMajor = 7;
constexpr uint32_t kOldestMinor = 31;  // Linux 5.4, the first with virtio-fs.
constexpr uint32_t kMinor = 38;

// What we do when the guest can as well. DONT_MASK: the umask comes beside the mode, as the host leaves it out where a
// directory has a default ACL. Left out on purpose: EXPORT_SUPPORT (wants lookups of "..").
constexpr uint32_t kFlags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ATOMIC_O_TRUNC | FUSE_DO_READDIRPLUS |
                            FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES |
                            FUSE_CACHE_SYMLINKS | FUSE_HANDLE_KILLPRIV_V2 | FUSE_DONT_MASK | FUSE_SETXATTR_EXT |
                            FUSE_INIT_EXT;

uint32_t wanted_flags(const Options& options) {
  uint32_t flags = kFlags;
  bool own_writes_only = options.cache == Cache::kAlways && !options.read_only;
  // With the write-back cache the guest's times and sizes count, and the host's changes are not looked for.
  flags |= own_writes_only ? FUSE_WRITEBACK_CACHE : FUSE_AUTO_INVAL_DATA;
  if (options.dax_window_bytes != 0) {
    flags |= FUSE_MAP_ALIGNMENT;
    // What is written through the window we do not see: the guest has to take set-user-id bits away itself, for
    // O_TRUNC as well.
    flags &= ~(FUSE_HANDLE_KILLPRIV_V2 | FUSE_ATOMIC_O_TRUNC);
  }
  if (options.acls == Acls::kEnforced) flags |= FUSE_POSIX_ACL;
  if (options.locks == LockScope::kHost) flags |= FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS;
  return flags;
}

// In the second word of flags. We say for each file whether it is to be mapped through the window; Linux 5.17 and later
// asks for that unless it is mounted with another option.
constexpr uint32_t kInodeDax = FUSE_HAS_INODE_DAX >> 32;

// Whether the guest will use the window; what we answer for it then.
bool agree_on_dax(Session& session, uint32_t flags2, fuse_init_out& out) {
  if (!session.window) return false;
  if ((out.flags & FUSE_MAP_ALIGNMENT) == 0) {
    session.log.warning("fs {}: the guest's kernel does not map files by DAX; it reads them as usual",
                        session.options.tag);
    return false;
  }
  out.flags2 = flags2 & kInodeDax;
  out.map_alignment = std::countr_zero(DaxWindow::kGranule);
  return true;
}

// Background requests (read-ahead, asynchronous I/O) the guest keeps in flight; beyond them its queue is full anyway.
constexpr uint16_t kMaxBackground = 64;
constexpr uint16_t kCongestion = 48;

}  // namespace

Outcome<void> serve_init(Session& session, Request& request) {
  struct Head {
    uint32_t major, minor, max_readahead, flags;
  };
  auto in = request.arguments<Head>();
  fuse_init_out out{};
  out.major = kMajor;
  out.minor = kMinor;
  if (in.major < kMajor || (in.major == kMajor && in.minor < kOldestMinor)) {
    session.log.warning("fs {}: the guest speaks FUSE {}.{}, 7.31 is the oldest we know", session.options.tag, in.major,
                        in.minor);
    return refuse(EPROTO);
  }
  if (in.major == kMajor) {
    session.end();  // A guest that starts over has forgotten everything.
    session.started = true;
    out.max_readahead = std::min(in.max_readahead, kMaxWriteBytes);
    out.flags = in.flags & wanted_flags(session.options);
    session.agreed = out.flags;
    uint32_t flags2 = 0;
    if (request.tail().size() >= sizeof flags2) std::memcpy(&flags2, request.tail().data(), sizeof flags2);
    session.dax = agree_on_dax(session, flags2, out);
    out.max_background = kMaxBackground;
    out.congestion_threshold = kCongestion;
    out.max_write = kMaxWriteBytes;
    out.time_gran = 1;
    out.max_pages = kMaxPages;
  }  // A newer guest learns our major version and asks again.
  request.reply(out);
  return {};
}

Outcome<void> serve_destroy(Session& session, Request&) {
  session.end();
  return {};
}

// Requests are done one after the other: what an interrupt is for is answered before the interrupt is seen, unless it
// waits.
Outcome<void> serve_interrupt(Session& session, Request& request) {
  session.interrupted = request.arguments<fuse_interrupt_in>().unique;
  return {};
}

Outcome<void> serve_statfs(Session& session, Request& request) {
  Inode* inode = TRY(session.inode(request.node()));
  fuse_statfs_out out{};
  out.st.bsize = 4096;
  out.st.frsize = 4096;
  out.st.namelen = 255;
  if (!inode->is_virtual() && !inode->sealed) {
    struct statvfs stat{};
    const Fd* file = TRY(session.inodes.path(*inode));
    if (::fstatvfs(file->get(), &stat) < 0) return refuse_errno();
    out.st.blocks = stat.f_blocks;
    out.st.bfree = stat.f_bfree;
    out.st.bavail = stat.f_bavail;
    out.st.files = stat.f_files;
    out.st.ffree = stat.f_ffree;
    out.st.bsize = static_cast<uint32_t>(stat.f_bsize);
    out.st.frsize = static_cast<uint32_t>(stat.f_frsize);
    out.st.namelen = static_cast<uint32_t>(stat.f_namemax);
    session.quota.narrow(out.st);
  }
  request.reply(out);
  return {};
}

Outcome<void> serve_syncfs(Session& session, Request&) {
  if (session.options.read_only) return {};
  Outcome<void> all;
  session.inodes.for_each_host_leaf([&](Inode& leaf) {
    if (leaf.sealed) return;
    Outcome<Fd> open = session.open_either(leaf);
    if (!open) {
      all = std::unexpected(open.error());
    } else if (::syncfs(open->get()) < 0) {
      all = refuse_errno();
    }
  });
  return all;
}

}  // namespace cloche::fs
