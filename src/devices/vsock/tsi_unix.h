// The UNIX sockets of the host that a guest's programs reach by their paths. A path is the guest's, so it is resolved
// beneath a directory that it may use, never by name: neither ".." nor a link that the guest made leads out of it.
#pragma once

#include <sys/stat.h>

#include <span>
#include <string>

#include "devices/vsock/tsi_address.h"
#include "devices/vsock/tsi_options.h"

namespace cloche::vsock {

// A name that a socket of ours has. It goes with this, unless it has become another file's by then.
class TsiUnixName {
 public:
  TsiUnixName() = default;
  TsiUnixName(Fd directory, std::string name);
  TsiUnixName(TsiUnixName&&) = default;
  TsiUnixName& operator=(TsiUnixName&& other) noexcept;
  ~TsiUnixName() { remove(); }

 private:
  void remove();

  Fd directory_;
  std::string name_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// The address by which we reach what the guest calls `address`. It stands for a descriptor, which it owns: an address
// of the same socket, whatever becomes of its name.
struct TsiUnixPlace {
  sockaddr_un address{};
  socklen_t size = 0;
  Fd fd;
};

// The error is an errno in Error::sys_errno: EACCES for what lies outside of all `directories`.
Result<TsiUnixPlace> find_unix_socket(std::span<const TsiDirectory> directories, const TsiAddress& address);

// Binds `socket`, of `type`, to what the guest calls `address`. A socket that is there and that nobody serves any more,
// as the guest makes one in a share before it asks for this, is replaced. EADDRINUSE: somebody serves it, or it is no
// socket. Abstract names are not to be had.
Result<TsiUnixName> bind_unix_socket(std::span<const TsiDirectory> directories, const TsiAddress& address, int socket,
                                     int type);

}  // namespace cloche::vsock
