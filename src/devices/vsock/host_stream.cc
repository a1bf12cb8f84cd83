#include "devices/vsock/host_stream.h"

#include <sys/socket.h>
#include <sys/stat.h>

namespace cloche::vsock {
namespace {

bool same_socket(const Fd& one, const Fd& other) {
  struct stat first{}, second{};
  return one && other && ::fstat(one.get(), &first) == 0 && ::fstat(other.get(), &second) == 0 &&
         S_ISSOCK(first.st_mode) && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

}  // namespace

HostEnd::HostEnd(HostStream stream, EventLoop& loop)
    : one_socket_(same_socket(stream.input, stream.output)),
      input_(std::move(stream.input), loop),
      output_(std::move(stream.output), loop) {}

void HostEnd::close_input() {
  if (input_ && one_socket_) ::shutdown(input_.fd(), SHUT_RD);
  input_.close();
}

void HostEnd::close_output() {
  if (output_ && one_socket_) ::shutdown(output_.fd(), SHUT_WR);
  output_.close();
}

}  // namespace cloche::vsock
