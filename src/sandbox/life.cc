#include "sandbox/life.h"

#include <fcntl.h>

#include "wire/control.h"

namespace cloche::sandbox {
namespace {

// Of the open file and not of a process (fcntl(2), "Open file description locks"): a fork takes it along, and a close
// elsewhere in the process does not undo it.
struct flock whole_file(short type) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace

Result<Fd> take_life(const std::string& run_directory) {
  std::string path = run_directory + "/" + wire::kLifeLock;
  Fd file = TRY(open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  struct flock lock = whole_file(F_WRLCK);
  if (::fcntl(file.get(), F_OFD_SETLK, &lock) == 0) return file;
  if (errno == EAGAIN || errno == EACCES) return fail(ErrorCode::kUnavailable, "a process of the sandbox lives");
  return fail_errno("lock " + path);
}

bool is_alive(const std::string& run_directory) {
  auto file = open_file(run_directory + "/" + wire::kLifeLock, O_RDONLY | O_NOFOLLOW);
  if (!file) return false;
  struct flock lock = whole_file(F_RDLCK);
  return ::fcntl(file->get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

}  // namespace cloche::sandbox
