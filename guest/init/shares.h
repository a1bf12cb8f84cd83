// What Start shares with the guest: a virtio-fs each, a directory or a single file.
#pragma once

#include <vector>

#include "guest/init/failure.h"
#include "wire/guest.h"

namespace cloche::init {

// The order to mount in: parents before what lies in them, otherwise as given.
std::vector<const wire::Mount*> mount_order(const std::vector<wire::Mount>& mounts);

class Shares {
 public:
  // In the initramfs: opens the shared files, which need a place of their own for a moment. `mounts` must outlive the
  // result.
  static Result<Shares> stage(const std::vector<wire::Mount>& mounts);
  // In the new root: mounts all of them, each place made where it is missing.
  Result<void> mount() const;

 private:
  struct Share {
    const wire::Mount* mount;
    int file;  // Of a shared file: a mount that is nowhere yet. Else -1.
  };
  std::vector<Share> shares_;
};

}  // namespace cloche::init
