// How the VMM hears with which code the command has ended: by an ioctl of the virtio-fs that it is told of at the root.
#pragma once

namespace cloche::krun_init {

// That file system's root, as long as "/" is it, or else by its tag; -1 where the guest has none: nobody hears the code
// then.
int open_host_root();

void tell_exit_code(int host_root, int code);

}  // namespace cloche::krun_init
