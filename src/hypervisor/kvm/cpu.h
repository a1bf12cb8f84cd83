// A KVM vCPU.
#pragma once

#include <memory>

#include "hypervisor/hypervisor.h"

namespace cloche::hypervisor::kvm {

// Takes over the descriptor that KVM_CREATE_VCPU returned; `run_size` bytes of it are mapped.
Result<std::unique_ptr<VirtualCpu>> open_cpu(Fd fd, size_t run_size);

}  // namespace cloche::hypervisor::kvm
