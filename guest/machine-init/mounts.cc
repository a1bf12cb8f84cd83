#include "mounts.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

namespace cloche::machine_init {
namespace {

struct OwnMount {
  const char* type;
  const char* target;  // Below the new root.
  unsigned long flags;
  const char* data;
};

// On top of the host's directories of these names; the host's own are not to be seen through.
constexpr OwnMount kOwnMounts[] = {
    {"devtmpfs", "/dev", MS_NOSUID, "mode=0755"},
    {"proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""},
    {"sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""},
    {"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755"},
    {"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=0620,ptmxmode=0666"},
    {"tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777"},
    {"mqueue", "/dev/mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""},
    {"cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, ""},
};

constexpr std::string_view kNewRoot = "/root";

void make_device_links() {
  struct Link {
    const char* target;
    const char* path;
  };
  for (Link link : {Link{"/proc/self/fd", "/dev/fd"}, Link{"fd/0", "/dev/stdin"}, Link{"fd/1", "/dev/stdout"},
                    Link{"fd/2", "/dev/stderr"}})
    (void)::symlink(link.target, link.path);
  // Whoever may run a command in the machine may run a virtual machine in it.
  ::chmod("/dev/kvm", 0666);
  for (const char* path :
       {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/fuse"})
    ::chmod(path, 0666);
}

}  // namespace

bool set_kernel_value(const char* path, std::string_view value) {
  auto file = open_file(path, O_WRONLY);
  return file && write_full(file->get(), std::as_bytes(std::span(value))).has_value();
}

Result<void> mount_at(const std::string& target, const FileSystem& what) {
  if (::mount(what.source, target.c_str(), what.type, what.flags, what.data.c_str()) < 0)
    return fail_errno("mount " + target);
  return {};
}

Result<void> mount_everything() {
  std::string root(kNewRoot);
  ::mkdir(root.c_str(), 0755);
  // cache=mmap: nothing is kept but what a program has mapped, so a file changed on the host is seen at the next open.
  TRY(mount_at(root, {"cloche-root", "9p", 0, std::string(kShareOptions) + ",cache=mmap"}));
  for (const OwnMount& own : kOwnMounts) {
    std::string target = root + own.target;
    ::mkdir(target.c_str(), 0755);  // Within what was just mounted; for the others the host has them.
    Result<void> mounted = mount_at(target, {own.type, own.type, own.flags, own.data});
    if (!mounted && std::string_view(own.type) != "mqueue") return mounted;
  }
  // What every Linux does to leave its initramfs: after it the root is an ordinary one, which user namespaces insist
  // on.
  if (::chdir(root.c_str()) < 0 || ::mount(".", "/", nullptr, MS_MOVE, nullptr) < 0 || ::chroot(".") < 0 ||
      ::chdir("/") < 0)
    return fail_errno("make the host's file system the root");
  make_device_links();
  ::mkdir("/run/lock", 01777);
  ::chmod("/run/lock", 01777);
  ::mkdir("/run/user", 0755);
  return {};
}

}  // namespace cloche::machine_init
