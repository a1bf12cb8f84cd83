#include "devices/fs/open_paths.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "devices/fs/inode.h"

namespace cloche::fs {
namespace {

// The least that leaves a request the descriptors it uses together.
constexpr size_t kLeastPaths = 16;

struct HandleBuffer {
  alignas(file_handle) std::array<std::byte, sizeof(file_handle) + MAX_HANDLE_SZ> bytes{};
  file_handle* get() { return reinterpret_cast<file_handle*>(bytes.data()); }
};

// The file's handle as the host writes it; empty where its file system has none.
std::vector<std::byte> handle_of(const Fd& file) {
  HandleBuffer handle;
  handle.get()->handle_bytes = MAX_HANDLE_SZ;
  int mount;
  if (::name_to_handle_at(file.get(), "", handle.get(), &mount, AT_EMPTY_PATH) < 0) return {};
  size_t size = sizeof(file_handle) + handle.get()->handle_bytes;
  return {handle.bytes.begin(), handle.bytes.begin() + static_cast<ptrdiff_t>(size)};
}

Outcome<Fd> open_handle(const Fd& mount, const std::vector<std::byte>& handle) {
  HandleBuffer copy;
  std::memcpy(copy.bytes.data(), handle.data(), handle.size());
  int fd = ::open_by_handle_at(mount.get(), copy.get(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return refuse_errno();
  return Fd(fd);
}

}  // namespace

Descriptors Descriptors::among(size_t shares) {
  size_t half = descriptor_budget() / 2;
  return {.paths = std::max(half / std::max<size_t>(shares, 1), kLeastPaths), .opened = std::make_shared<size_t>(half)};
}

void OpenPaths::add_mount(uint64_t mount, const Fd& directory) {
  if (mounts_.contains(mount)) return;
  if (mount == 0) {  // The host's kernel does not tell mounts apart.
    uses_names_ = true;
    return;
  }
  // The host's call wants a real descriptor, not one of O_PATH.
  Outcome<Fd> opened = open_beneath(directory, ".", O_RDONLY | O_DIRECTORY);
  std::vector<std::byte> handle = handle_of(directory);
  if (opened && !handle.empty() && open_handle(*opened, handle)) {
    mounts_[mount] = std::move(*opened);
  } else {
    uses_names_ = true;
  }
}

bool OpenPaths::can_be_found(Inode& inode) const {
  if (!has_handles(inode.key.mount)) return !inode.name.empty();
  if (inode.handle.empty()) inode.handle = handle_of(inode.path);
  return !inode.handle.empty();
}

bool OpenPaths::make_room() {
  while (size() >= limit_) {
    if (recent_.empty()) return false;
    Inode& oldest = *recent_.back();
    recent_.pop_back();
    oldest.listed = false;
    if (can_be_found(oldest)) {
      oldest.path.reset();
    } else {
      ++kept_;
    }
  }
  return true;
}

bool OpenPaths::add(Inode& inode) {
  if (!make_room()) return false;
  recent_.push_front(&inode);
  inode.place = recent_.begin();
  inode.listed = true;
  return true;
}

void OpenPaths::remove(Inode& inode) {
  if (inode.listed) {
    recent_.erase(inode.place);
  } else if (inode.path) {
    --kept_;
  }
  inode.listed = false;
}

void OpenPaths::named(Inode& inode) {
  if (inode.listed || !inode.path || inode.pinned) return;
  --kept_;
  add(inode);
}

void OpenPaths::clear() {
  recent_.clear();
  kept_ = 0;
}

Outcome<const Fd*> OpenPaths::open(Inode& inode) {
  if (inode.listed) {
    recent_.splice(recent_.begin(), recent_, inode.place);
  } else if (!inode.path) {
    // From the nearest ancestor that is open down to the file.
    std::vector<Inode*> closed;
    Inode* each = &inode;
    for (; !each->path && !has_handles(each->key.mount); each = each->parent) {
      if (closed.size() == kMostReopened) return refuse(ESTALE);
      closed.push_back(each);
    }
    if (!each->path) {
      TRY(reopen(*each));
    } else if (each->listed) {
      recent_.splice(recent_.begin(), recent_, each->place);  // So that it stays until its child is open.
    }
    for (auto next = closed.rbegin(); next != closed.rend(); ++next) TRY(reopen(**next));
  }
  return &inode.path;
}

Outcome<void> OpenPaths::reopen(Inode& inode) {
  if (!make_room()) return refuse(ENFILE);
  Fd found = TRY(inode.handle.empty() ? find_by_name(inode) : find_by_handle(inode));
  HostStat stat = TRY(stat_of(found));
  // Another file of the same name, or one that got the number of a file that is gone.
  if (!inode.is_same_file(stat)) return refuse(ESTALE);
  inode.path = std::move(found);
  add(inode);
  return {};
}

Outcome<Fd> OpenPaths::find_by_handle(const Inode& inode) const {
  return open_handle(mounts_.at(inode.key.mount), inode.handle);
}

Outcome<Fd> OpenPaths::find_by_name(const Inode& inode) const {
  Outcome<Fd> found = open_beneath(inode.parent->path, inode.name.c_str(), O_PATH);
  if (!found && found.error().value == ENOENT) return refuse(ESTALE);
  return found;
}

}  // namespace cloche::fs
