#include "base/private_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace cloche {
namespace {

constexpr int kWaiting = 128;

bool is_owner(int client) {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(client, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0) return false;
  return who.uid == ::geteuid() || who.uid == 0;
}

}  // namespace

Result<Fd> listen_privately(const std::string& directory, const char* name) {
  Fd place = TRY(open_file(directory, O_PATH | O_DIRECTORY));
  // By way of the directory's descriptor: sun_path holds 107 bytes, and directories can be longer.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  fmt::format_to_n(address.sun_path, sizeof address.sun_path - 1, "/proc/self/fd/{}/{}", place.get(), name);
  Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ::unlinkat(place.get(), name, 0);
  if (!listener || ::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 ||
      ::fchmodat(place.get(), name, 0600, 0) < 0 || ::listen(listener.get(), kWaiting) < 0)
    return fail_errno("listen on " + directory + "/" + name);
  return listener;
}

Fd accept_owner(const Fd& listener) {
  Fd socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket && !is_owner(socket.get())) socket.reset();
  return socket;
}

}  // namespace cloche
