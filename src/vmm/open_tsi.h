// What the guest's programs may use of the host's sockets: its directories opened, its addresses read.
#pragma once

#include <optional>

#include "devices/vsock/tsi_options.h"
#include "wire/vmm.h"

namespace cloche {

// Nothing: they use none. Errors name the directory or the address.
Result<std::optional<vsock::TsiOptions>> open_tsi(const wire::VmTsi& tsi);

}  // namespace cloche
