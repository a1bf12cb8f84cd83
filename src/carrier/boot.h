// Brings a machine up: everything between "there is none" and "its agent listens".
#pragma once

#include <string>
#include <vector>

#include "carrier/state.h"

namespace cloche::carrier {

// Starts QEMU and waits for the agent. The caller holds the state directory's lock. On failure nothing is left running,
// and the error ends with the machine's last words.
Result<void> boot_machine(const Options& options, const StateDirectory& state);

// Ends QEMU with SIGTERM, then SIGKILL, and waits for its end. Only while it holds its life lock; never another
// process.
Result<void> kill_machine(const StateDirectory& state);

// Waits until the machine of this directory is gone; false when it has not within `timeout_ms`.
bool wait_for_end(const StateDirectory& state, int timeout_ms);

// The initramfs: a cpio archive with the agent as /init and a console for its messages.
std::vector<std::byte> make_initramfs(std::span<const std::byte> agent);

}  // namespace cloche::carrier
