#include "guest/init/power.h"

#include <fcntl.h>
#include <sys/reboot.h>
#include <unistd.h>

namespace cloche::init {
namespace {

std::string decimal(int value) {
  char digits[12];
  char* at = digits + sizeof digits;
  auto left = static_cast<unsigned>(value);
  do *--at = static_cast<char>('0' + left % 10);
  while ((left /= 10) != 0);
  return {at, static_cast<size_t>(digits + sizeof digits - at)};
}

}  // namespace

void end_vm() {
  for (;;) {
    ::reboot(RB_AUTOBOOT);
    ::pause();
  }
}

void abandon(const Error& error) {
  // Critical (2), so that it is shown although the kernel is booted with "quiet". Until /dev is mounted only the
  // console is there.
  std::string line = "<2>cloche-init: " + error.what + ": errno " + decimal(error.sys_errno) + "\n";
  int log = ::open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
  size_t skip = log < 0 ? 3 : 0;
  [[maybe_unused]] ssize_t put = ::write(log < 0 ? STDERR_FILENO : log, line.data() + skip, line.size() - skip);
  end_vm();
}

}  // namespace cloche::init
