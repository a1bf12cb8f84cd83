#include "guest/init/system.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cloche::init {
namespace {

// In order: parents first. /proc without hidepid. The kernel's cgroup and pts folders are there or not as it was built.
constexpr System kSystem[] = {
    {"/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr},
    {"/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr},
    {"/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr},
    {"/dev", "devtmpfs", MS_NOSUID, "mode=0755"},
    {"/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666"},
    {"/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"},
};

void link_devices() {
  ::symlink("/proc/self/fd", "/dev/fd");
  ::symlink("/proc/self/fd/0", "/dev/stdin");
  ::symlink("/proc/self/fd/1", "/dev/stdout");
  ::symlink("/proc/self/fd/2", "/dev/stderr");
}

}  // namespace

// EBUSY: a kernel that found a root by itself has mounted its devices there.
Result<void> mount_at(const System& system) {
  if (::mount(system.type, system.path, system.type, system.flags, system.options) == 0 || errno == EBUSY) return {};
  return failed(std::string("mount ") + system.path);
}

Result<void> mount_system() {
  for (const System& system : kSystem) {
    ::mkdir(system.path, 0755);
    TRY(mount_at(system));
  }
  link_devices();
  return {};
}

Result<void> enter(const char* root) {
  if (::chdir(root) < 0 || ::mount(".", "/", nullptr, MS_MOVE, nullptr) < 0 || ::chroot(".") < 0)
    return failed("enter the root file system");
  return {};
}

}  // namespace cloche::init
