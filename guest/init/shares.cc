#include "guest/init/shares.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest/init/paths.h"

namespace cloche::init {
namespace {

constexpr const char* kStage = "/stage";

Result<void> mount_share(const wire::Mount& mount, const char* path) {
  if (::mount(mount.tag.c_str(), path, "virtiofs", mount.read_only ? MS_RDONLY : 0, nullptr) == 0) return {};
  return failed("mount share " + mount.path);
}

// The file alone, cut out of its share, mounted nowhere.
Result<int> cut_out(const wire::Mount& mount) {
  ::mkdir(kStage, 0755);
  TRY(mount_share(mount, kStage));
  std::string file = std::string(kStage) + "/" + wire::kSingleFileName;
  auto fd = static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, file.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  int error = errno;
  ::umount2(kStage, MNT_DETACH);
  if (fd < 0) return failed("open shared file " + mount.path, error);
  return fd;
}

Result<void> place(const wire::Mount& mount, int file) {
  if (path_depth(mount.path) == 0) return failed("mount a share on " + mount.path, EINVAL);
  TRY(make_place(mount.path, file < 0 ? Place::kDirectory : Place::kFile));
  if (file < 0) return mount_share(mount, mount.path.c_str());
  unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS;
  if (::syscall(SYS_move_mount, file, "", AT_FDCWD, mount.path.c_str(), flags) < 0)
    return failed("mount shared file " + mount.path);
  ::close(file);
  return {};
}

}  // namespace

std::vector<const wire::Mount*> mount_order(const std::vector<wire::Mount>& mounts) {
  std::vector<const wire::Mount*> order;
  order.reserve(mounts.size());
  for (const wire::Mount& mount : mounts) {
    size_t depth = path_depth(mount.path);
    auto at = order.end();
    while (at != order.begin() && path_depth((*(at - 1))->path) > depth) --at;
    order.insert(at, &mount);
  }
  return order;
}

Result<Shares> Shares::stage(const std::vector<wire::Mount>& mounts) {
  Shares shares;
  for (const wire::Mount* mount : mount_order(mounts)) {
    int file = mount->is_file ? TRY(cut_out(*mount)) : -1;
    shares.shares_.push_back({mount, file});
  }
  return shares;
}

Result<void> Shares::mount() const {
  for (const Share& share : shares_) TRY(place(*share.mount, share.file));
  return {};
}

}  // namespace cloche::init
