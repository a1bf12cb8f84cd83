// The machine's network: loopback, and the one wire to QEMU over which cloche comes in. QEMU lets nothing out
// (restrict=on).
#pragma once

#include "base/fd.h"

namespace cloche::machine_init {

// Brings lo and eth0 up with the addresses that QEMU's user-mode network expects.
Result<void> bring_up_network();
// The socket on which cloche's connections arrive.
Result<Fd> listen_for_clients();

}  // namespace cloche::machine_init
