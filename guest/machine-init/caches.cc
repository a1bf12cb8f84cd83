#include "caches.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>

#include "base/fd.h"
#include "mounts.h"

namespace cloche::machine_init {
namespace {

constexpr const char* kLockPath = "/run/cloche-caches.lock";

bool mount_cached_usr() {
  // The uncached /usr/local is held aside while /usr goes over it.
  Fd local(::open("/usr/local", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!mount_at("/usr", {"cloche-usr", "9p", 0, std::string(kShareOptions) + ",cache=loose"})) return false;
  if (!local) return true;
  std::string held = "/proc/self/fd/" + std::to_string(local.get());
  if (::mount(held.c_str(), "/usr/local", nullptr, MS_BIND, nullptr) == 0) return true;
  ::umount2("/usr", MNT_DETACH);
  return false;
}

}  // namespace

void refresh_caches(CacheState& state, uint64_t stamp) {
  if (state.mounted && state.stamp == stamp) return;
  auto lock = open_file(kLockPath, O_RDWR | O_CREAT, 0600);
  if (!lock || ::flock(lock->get(), LOCK_EX) < 0) return;
  if (state.mounted && state.stamp == stamp) return;  // Another one was faster.
  if (state.mounted) {
    ::umount2("/usr/local", MNT_DETACH);
    ::umount2("/usr", MNT_DETACH);
  }
  state.mounted = mount_cached_usr();
  state.stamp = stamp;
}

}  // namespace cloche::machine_init
