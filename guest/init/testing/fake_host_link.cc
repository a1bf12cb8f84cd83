#include "guest/init/testing/fake_host_link.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <map>

#include "guest/init/host_link.h"

namespace cloche::init {
namespace {

std::map<uint32_t, int>& waiting() {
  static std::map<uint32_t, int> ends;  // By port.
  return ends;
}

}  // namespace

namespace testing {

int listen_as_host(uint32_t port) {
  int ends[2] = {-1, -1};
  ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  waiting()[port] = ends[0];
  return ends[1];
}

}  // namespace testing

Result<int> begin_connect(uint32_t port) {
  auto found = waiting().find(port);
  if (found == waiting().end()) return failed("connect to the host", ECONNREFUSED);
  int fd = found->second;
  waiting().erase(found);
  return fd;
}

Result<void> await_connected(int, const char*) { return {}; }

}  // namespace cloche::init
