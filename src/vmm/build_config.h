// Turns what libcloche sent into what a Machine is made of: opens the shares and the console.
#pragma once

#include "machine/config.h"
#include "wire/vmm.h"

namespace cloche {

// Opens everything that `config` names. Takes over file descriptors 0, 1 and 2 for the command's streams.
Result<MachineConfig> build_config(wire::VmConfig config, Log log);

}  // namespace cloche
