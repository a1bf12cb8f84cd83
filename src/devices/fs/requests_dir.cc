// OPENDIR, READDIR, READDIRPLUS, RELEASEDIR, FSYNCDIR: open directories. Offsets of host entries are the host's own
// cookies, which stay valid while the directory changes; those of virtual directories count entries.
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "devices/fs/requests.h"

namespace cloche::fs {
namespace {

enum class Style : uint8_t { kNames, kPlus };

// Bytes of host entries read at a time; kept in the handle until the guest has taken them all.
constexpr size_t kEntriesBytes = 4096;
constexpr size_t kMaxNameBytes = 255;  // Longer names, of foreign file systems, could not be looked up.

struct Entry {
  const char* name;
  uint64_t number;
  uint32_t type;         // DT_*, which is what FUSE wants.
  uint64_t next_offset;  // Where reading goes on after this entry.
};

bool is_dot(const char* name) { return std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0; }

// The reply being filled: one page or more of entries.
class Page {
 public:
  Page(Session& session, Request& request, Style style, const fuse_read_in& in)
      : session_(session), style_(style), bytes_(session.scratch.bytes()), offset_(in.offset) {
    bytes_ = bytes_.first(std::min({bytes_.size(), request.room(), size_t{in.size}}));
  }

  // False when there is no room for it. `parent` is where it is looked up for kPlus; none: not looked up.
  bool add(Inode* parent, const Entry& entry) {
    size_t name_size = std::strlen(entry.name);
    size_t head = (style_ == Style::kPlus ? sizeof(fuse_entry_out) : 0) + offsetof(fuse_dirent, name);
    size_t whole = FUSE_DIRENT_ALIGN(head + name_size);
    if (whole > bytes_.size() - used_) {
      full_ = true;
      return false;
    }
    auto out = bytes_.subspan(used_, whole);
    std::ranges::fill(out, std::byte{0});
    fuse_dirent dirent;
    dirent.ino = entry.number;
    dirent.off = entry.next_offset;
    dirent.namelen = static_cast<uint32_t>(name_size);
    dirent.type = entry.type;
    if (style_ == Style::kPlus) {
      fuse_entry_out known = look_up(parent, entry);
      std::memcpy(out.data(), &known, sizeof known);
    }
    std::memcpy(out.data() + head - offsetof(fuse_dirent, name), &dirent, offsetof(fuse_dirent, name));
    std::memcpy(out.data() + head, entry.name, name_size);
    used_ += whole;
    return true;
  }

  uint64_t offset() const { return offset_; }  // Where the guest wants to go on.
  bool empty() const { return used_ == 0; }
  // Nothing in it, though there was something to put: to the guest that would mean the end.
  bool too_small() const { return empty() && full_; }
  std::span<const std::byte> bytes() const { return bytes_.first(used_); }

 private:
  // Node id 0: a plain entry. So are the dots, and whatever could not be looked up (gone meanwhile, no descriptor
  // left): the guest sees the name, and gets the error when it looks it up.
  fuse_entry_out look_up(Inode* parent, const Entry& entry) {
    if (parent == nullptr || is_dot(entry.name)) return {};
    // To be listed is not to be looked up.
    const VirtualNode::Child* child = parent->named(entry.name);
    if (child != nullptr && child->inode->found_once) return {};
    return session_.enter(*parent, entry.name).value_or(fuse_entry_out{});
  }

  Session& session_;
  Style style_;
  std::span<std::byte> bytes_;
  uint64_t offset_;
  size_t used_ = 0;
  bool full_ = false;
};

uint64_t shown_number(Session& session, const Inode& inode) {
  return inode.is_virtual() ? InodeTable::shown_number(inode)
                            : session.inodes.shown_number(inode.key.device, inode.key.number);
}

// The number ".." shows for a pinned directory: its parent in the share's tree, and the root's own for the root. The
// host's parent is nothing to the guest.
uint64_t parent_number(Session& session, const Inode& directory) {
  return shown_number(session, directory.parent != nullptr ? *directory.parent : directory);
}

// A virtual directory, or a sealed one: the dots and what the share's tree names.
void fill_virtual(Session& session, Inode& directory, Page& page) {
  std::span<const VirtualNode::Child> children;
  if (directory.is_virtual()) children = directory.contents->children;
  for (uint64_t i = page.offset(); i < children.size() + 2; ++i) {
    Entry entry{.name = i == 0 ? "." : "..", .number = 0, .type = DT_DIR, .next_offset = i + 1};
    if (i == 0) entry.number = shown_number(session, directory);
    if (i == 1) entry.number = parent_number(session, directory);
    if (i >= 2) {
      const VirtualNode::Child& child = children[i - 2];
      if (child.inode == nullptr) continue;
      entry.name = child.name.c_str();
      entry.number = shown_number(session, *child.inode);
      entry.type = IFTODT(child.inode->mode);
    }
    if (!page.add(&directory, entry)) return;
  }
}

// One entry as getdents64 writes it.
struct HostEntry {
  uint64_t number;
  uint64_t offset;
  uint16_t size;
  uint8_t type;
  const char* name;
};

HostEntry host_entry(const Handle& handle) {
  const std::byte* raw = handle.entries.data() + handle.next_entry;
  dirent64 head{};
  std::memcpy(&head, raw, offsetof(dirent64, d_name));
  return {.number = head.d_ino,
          .offset = static_cast<uint64_t>(head.d_off),
          .size = head.d_reclen,
          .type = head.d_type,
          .name = reinterpret_cast<const char*>(raw + offsetof(dirent64, d_name))};
}

// Makes the handle's entries go on at `offset`; false at the directory's end.
Outcome<bool> read_entries(Handle& handle, uint64_t offset) {
  if (offset != handle.position) {
    if (::lseek(handle.fd.get(), static_cast<off_t>(offset), SEEK_SET) < 0) return refuse(EINVAL);
    handle.position = offset;
    handle.next_entry = handle.entries.size();
  }
  if (handle.next_entry < handle.entries.size()) return true;
  handle.entries.resize(kEntriesBytes);
  handle.next_entry = 0;
  ssize_t got = ::getdents64(handle.fd.get(), handle.entries.data(), handle.entries.size());
  int error = errno;
  handle.entries.resize(got > 0 ? static_cast<size_t>(got) : 0);
  if (got == 0) handle.entries.shrink_to_fit();
  if (got < 0) return refuse(error);
  return got > 0;
}

// Of a host directory that entries are injected into, those come first, at the offsets up to their number; the host's
// follow, each that much higher. Only the host's largest, which ends a directory on some file systems, stays itself.
uint64_t above_injected(const Inode& directory, uint64_t host_offset) {
  uint64_t count = directory.injected.size();
  return host_offset > INT64_MAX - count ? INT64_MAX : host_offset + count;
}
uint64_t host_offset(const Inode& directory, uint64_t offset) {
  return offset == INT64_MAX ? offset : offset - std::min<uint64_t>(offset, directory.injected.size());
}

// False when the page is full.
bool fill_injected(Inode& directory, Page& page) {
  for (uint64_t i = page.offset(); i < directory.injected.size(); ++i) {
    const VirtualNode::Child& child = directory.injected[i];
    if (child.inode == nullptr) continue;
    Entry entry{.name = child.name.c_str(),
                .number = InodeTable::shown_number(*child.inode),
                .type = IFTODT(child.inode->mode),
                .next_offset = i + 1};
    if (!page.add(&directory, entry)) return false;
  }
  return true;
}

Outcome<void> fill_host(Session& session, Inode& directory, Handle& handle, Page& page) {
  if (page.offset() > INT64_MAX) return refuse(EINVAL);
  if (!fill_injected(directory, page)) return {};
  uint64_t offset = host_offset(directory, page.offset());
  for (;;) {
    Outcome<bool> more = read_entries(handle, offset);
    if (!more && page.empty()) return std::unexpected(more.error());
    if (!more || !*more) return {};
    HostEntry host = host_entry(handle);
    Entry entry{.name = host.name,
                .number = session.inodes.shown_number(directory.key.device, host.number),
                .type = host.type,
                .next_offset = above_injected(directory, host.offset)};
    if (session.inodes.is_leaf(directory) && std::strcmp(host.name, "..") == 0)
      entry.number = parent_number(session, directory);
    bool shown = std::strlen(host.name) <= kMaxNameBytes && directory.named(host.name) == nullptr;
    if (shown && !page.add(&directory, entry)) return {};
    handle.next_entry += host.size;
    handle.position = offset = host.offset;
  }
}

Outcome<void> read_directory(Session& session, Request& request, Style style) {
  auto in = request.arguments<fuse_read_in>();
  Handle* handle = TRY(session.handles.find(in.fh, Handle::Kind::kDirectory));
  Inode* directory = TRY(session.inode(request.node()));
  if (!directory->is_directory()) return refuse(ENOTDIR);
  Page page(session, request, style, in);
  if (directory->is_virtual() || directory->sealed) {
    fill_virtual(session, *directory, page);
  } else if (!handle->fd) {
    return refuse(EBADF);  // A handle of one directory with the node of another.
  } else {
    TRY(fill_host(session, *directory, *handle, page));
  }
  if (page.too_small()) return refuse(EINVAL);
  request.reply(page.bytes());
  return {};
}

}  // namespace

Outcome<void> serve_opendir(Session& session, Request& request) {
  Inode* inode = TRY(session.inode(request.node()));
  if (!inode->is_directory()) return refuse(ENOTDIR);
  Handle handle;
  handle.kind = Handle::Kind::kDirectory;
  bool in_memory = inode->is_virtual() || inode->sealed;
  if (!in_memory) {
    const Fd* path = TRY(session.inodes.path(*inode));
    handle.fd = TRY(session.self.reopen(*path, O_RDONLY | O_DIRECTORY));
    handle.use = Quota::Use(session.quota, handle.fd.get());
  }
  fuse_open_out out{};
  out.fh = TRY(session.handles.add(std::move(handle)));
  // The guest notices a changed directory by its time, which two changes within a clock tick share: only what is not
  // changed from here is worth that.
  bool unchanged = session.options.read_only && session.options.cache != Cache::kNone;
  if ((in_memory || unchanged) && !inode->loses_entries()) out.open_flags = FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE;
  request.reply(out);
  return {};
}

Outcome<void> serve_readdir(Session& session, Request& request) {
  return read_directory(session, request, Style::kNames);
}

Outcome<void> serve_readdirplus(Session& session, Request& request) {
  return read_directory(session, request, Style::kPlus);
}

Outcome<void> serve_releasedir(Session& session, Request& request) {
  return session.handles.release(request.arguments<fuse_release_in>().fh, Handle::Kind::kDirectory);
}

Outcome<void> serve_fsyncdir(Session& session, Request& request) {
  auto in = request.arguments<fuse_fsync_in>();
  Handle* handle = TRY(session.handles.find(in.fh, Handle::Kind::kDirectory));
  if (!handle->fd || session.options.read_only) return {};
  if (::fsync(handle->fd.get()) < 0) return refuse_errno();
  return {};
}

}  // namespace cloche::fs
