#include "guest/init/host_link.h"

#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "wire/guest.h"

namespace cloche::init {
namespace {

// The kernel gives up after two seconds, which a host with many VMs on few processors can well take to answer.
constexpr timeval kConnectTimeout{.tv_sec = 60, .tv_usec = 0};

}  // namespace

Result<int> begin_connect(uint32_t port) {
  int fd = ::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return failed("create a vsock socket");
  ::setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &kConnectTimeout, sizeof kConnectTimeout);
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = wire::kHostCid;
  address.svm_port = port;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 || errno == EINPROGRESS) return fd;
  int error = errno;
  ::close(fd);
  return failed("connect to the host", error);
}

Result<void> await_connected(int socket, const char* what) {
  pollfd wait{socket, POLLOUT, 0};
  while (::poll(&wait, 1, -1) < 0 && errno == EINTR) {
  }
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) < 0) error = errno;
  if (error != 0) return failed(what, error);
  return {};
}

}  // namespace cloche::init
