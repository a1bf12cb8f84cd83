// KVM behind the hypervisor seam.
#pragma once

#include <memory>

#include "hypervisor/hypervisor.h"

namespace cloche::hypervisor::kvm {

// Opens /dev/kvm and creates an empty VM. Fails with kNotFound, kPermission or kUnavailable where KVM cannot be used;
// whether it is fast enough is another question (speed.h).
Result<std::unique_ptr<VirtualMachine>> create_vm();

}  // namespace cloche::hypervisor::kvm
