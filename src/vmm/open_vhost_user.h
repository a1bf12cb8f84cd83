// The guest's vhost-user devices: their back ends, connected.
#pragma once

#include <vector>

#include "machine/config.h"
#include "wire/vmm.h"

namespace cloche {

// Errors name the device and its socket.
Result<std::vector<MachineVhostUser>> open_vhost_user(const std::vector<wire::VmVhostUser>& devices);

}  // namespace cloche
