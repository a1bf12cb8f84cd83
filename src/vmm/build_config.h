// Turns what libcloche sent into what a Machine is made of: opens the shares, the networks and the console.
#pragma once

#include "machine/config.h"
#include "vmm/open_network.h"
#include "wire/vmm.h"

namespace cloche {

// Opens everything that `config` names. Takes over file descriptors 0, 1 and 2 for the command's streams.
// What belongs to its networks goes to `companions`, and has to stay as long as the VM.
Result<MachineConfig> build_config(wire::VmConfig config, Log log, Companions& companions);

}  // namespace cloche
