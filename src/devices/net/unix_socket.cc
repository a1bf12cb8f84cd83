#include "devices/net/unix_socket.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

namespace cloche::net {
namespace {

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return fail(ErrorCode::kInvalidArgument, path + ": the path of a socket has 1 to 107 characters");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

}  // namespace

Result<Fd> unix_socket(int type) {
  Fd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("make a socket");
  return socket;
}

Result<void> bind_to(const Fd& socket, const std::string& path) {
  sockaddr_un address = TRY(address_of(path));
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
    return fail_errno("bind a socket to " + path);
  return {};
}

Result<void> connect_to(const Fd& socket, const std::string& path) {
  sockaddr_un address = TRY(address_of(path));
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
    return fail_errno("connect to " + path);
  return {};
}

}  // namespace cloche::net
