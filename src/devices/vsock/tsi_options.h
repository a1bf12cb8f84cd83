// What the guest's programs may do with the host's sockets (tsi.h).
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"

namespace cloche::vsock {

struct TsiPort {
  in_addr address{};  // Of the host; INADDR_ANY: all, IPv6 included where the guest's program listens at IPv6.
  uint16_t host_port = 0;
  uint16_t guest_port = 0;
};

// A directory of the host beneath which UNIX sockets are the guest's programs' too.
struct TsiDirectory {
  std::string path;  // As the guest's programs call it: absolute, without "." and "..", no slash at its end but in "/".
  Fd fd;             // O_PATH.
};

struct TsiOptions {
  bool has_inet = true;
  bool reaches_loopback = false;  // The host's own.
  bool publishes_all = false;     // A port that is not in `ports` is the host's by its own number.
  std::vector<TsiPort> ports;     // Each guest_port once.
  std::vector<TsiDirectory> directories;
};

}  // namespace cloche::vsock
