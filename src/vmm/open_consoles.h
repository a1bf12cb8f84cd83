// A guest's consoles, made of what the VM's process has been started with.
#pragma once

#include <vector>

#include "machine/config.h"
#include "wire/vmm.h"

namespace cloche {

// Each descriptor but the standard streams' is taken over.
Result<std::vector<MachineConsole>> open_consoles(const std::vector<wire::VmConsole>& consoles);

}  // namespace cloche
