#include "guest/init/mounts.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "guest/init/disks.h"
#include "guest/init/shares.h"
#include "guest/init/system.h"

namespace cloche::init {
namespace {

// The overlay's upper layer: half of the guest's memory at most, which is tmpfs's default.
constexpr System kMemory{"/memory", "tmpfs", 0, "mode=0755"};
// What moves into the root, with all that is mounted in it.
constexpr std::array<const char*, 3> kMoved{"/proc", "/sys", "/dev"};
// Under a read-only root these are memory: programs write there without asking.
constexpr System kScratch[] = {
    {"/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755"},
    {"/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"},
};

constexpr const char* kLower = "/lower";
constexpr const char* kOverlay = "/overlay";
constexpr const char* kOverlayOptions = "lowerdir=/lower,upperdir=/memory/upper,workdir=/memory/work";

// Whether `path` (absolute) is there, its links resolved with `root` as the root.
bool exists_in(int root, const char* path) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT;
  auto fd = static_cast<int>(::syscall(SYS_openat2, root, path, &how, sizeof how));
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}

bool has_mount_points(const wire::Start& start) {
  int root = ::open(kLower, O_PATH | O_DIRECTORY | O_CLOEXEC);
  auto there = [root](const char* path) { return exists_in(root, path); };
  bool all = std::ranges::all_of(kMoved, there) && std::ranges::all_of(kScratch, there, &System::path) &&
             std::ranges::all_of(start.mounts, [&](const wire::Mount& mount) { return there(mount.path.c_str()); });
  ::close(root);
  return all;
}

// The mount whose root `fd` is goes to `path`, which is made where it is missing. By descriptor, as its old place is
// out of reach.
Result<void> move_mount_to(int fd, const char* path) {
  long moved = ::syscall(SYS_move_mount, fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
  if (moved < 0 && errno == ENOENT && ::mkdir(path, 0755) == 0)
    moved = ::syscall(SYS_move_mount, fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
  if (moved < 0) return failed(std::string("mount ") + path);
  ::close(fd);
  return {};
}

// In an overlay /tmp is the root's own; what a root lacks or has with other rights is put right, as a user may have to
// write there.
void make_tmp_usable() {
  struct stat status{};
  if (::stat("/tmp", &status) < 0)
    ::mkdir("/tmp", 01777);
  else if ((status.st_mode & 07777) == 01777)
    return;
  ::chmod("/tmp", 01777);
}

Result<void> mount_scratch(bool read_only) {
  if (!read_only) {
    make_tmp_usable();
    return {};
  }
  for (const System& system : kScratch) {
    ::mkdir(system.path, 0755);  // In an overlay that is still to be sealed; elsewhere it is there.
    TRY(mount_at(system));
  }
  return {};
}

Result<void> mount_lower(const wire::Start& start) {
  bool kept = start.root_writes == wire::RootWrites::kKept;
  if (!start.root_device.path.empty())
    return mount_root_device(start.root_device, kLower, kept ? RootUse::kWritten : RootUse::kRead);
  if (::mount(start.root_tag.c_str(), kLower, "virtiofs", kept ? 0 : MS_RDONLY, nullptr) < 0)
    return failed("mount the root file system");
  return {};
}

}  // namespace

Result<void> mount_memory() {
  ::mkdir(kMemory.path, 0755);
  TRY(mount_at(kMemory));
  ::mkdir("/memory/upper", 0755);
  ::mkdir("/memory/work", 0755);
  return {};
}

Result<void> mount_root(const wire::Start& start) {
  ::mkdir(kLower, 0755);
  ::mkdir(kOverlay, 0755);
  TRY(mount_lower(start));
  // A read-only root that lacks a mount point gets it in an overlay, which is sealed when all is mounted.
  bool sealed = start.root_writes == wire::RootWrites::kRefused;
  bool overlaid = start.root_writes == wire::RootWrites::kPrivate || (sealed && !has_mount_points(start));
  if (overlaid && ::mount("overlay", kOverlay, "overlay", 0, kOverlayOptions) < 0)
    return failed("mount the root's overlay");
  Shares shares = TRY(Shares::stage(start.mounts));
  std::array<int, kMoved.size()> moved;
  for (size_t i = 0; i < moved.size(); ++i) moved[i] = ::open(kMoved[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
  TRY(enter(overlaid ? kOverlay : kLower));
  for (size_t i = 0; i < moved.size(); ++i) TRY(move_mount_to(moved[i], kMoved[i]));
  TRY(mount_scratch(sealed));
  TRY(shares.mount());
  if (overlaid && sealed && ::mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) < 0)
    return failed("make the root file system read-only");
  return {};
}

}  // namespace cloche::init
