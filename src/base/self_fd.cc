#include "base/self_fd.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

namespace cloche {

Result<Fd> open_self_fd() {
  Fd directory = TRY(open_file("/proc/self/fd", O_PATH | O_DIRECTORY));
  struct statfs status{};
  if (::fstatfs(directory.get(), &status) < 0) return fail_errno("look at /proc/self/fd");
  if (status.f_type != PROC_SUPER_MAGIC)
    return fail(ErrorCode::kUnavailable, "/proc is not the proc file system, which cloche needs");
  return directory;
}

std::string self_fd_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

}  // namespace cloche
