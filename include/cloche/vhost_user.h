// Devices of the guest that another process serves: vhost-user.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cloche {

// A virtio device whose back end, a program like qemu-storage-daemon, virtiofsd or one of vhost-device's, listens on a
// UNIX socket when the VM starts. The back end gets all of the guest's memory. When it is gone, or answers what it must
// not, the device is broken, and the VM goes on.
struct VhostUserDevice {
  // virtio's number (virtio 1.2, section 5): 2 is a disk, 4 a source of random numbers, which takes the place of
  // cloche's own. 19, vsock, is for a guest with its own first program: cloche talks to its own over one.
  uint32_t type = 0;
  std::string socket_path{};
  // For messages. Empty: "vhost-user-" and the type.
  std::string name{};
  // At most 64. 0: as many as the back end has, or, where it does not tell, as devices of the type have at least.
  uint32_t queues = 0;
  // Of each queue, a power of two; the last one counts for the queues behind it, too. Empty: 256.
  std::vector<uint16_t> queue_sizes{};
};

}  // namespace cloche
