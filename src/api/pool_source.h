// Real sandboxes for a pool.
#pragma once

#include <memory>

#include "api/pool_core.h"

namespace cloche {

// Errors of `config` are found here, as far as they can be before one is started.
Result<std::unique_ptr<PoolSource>> make_sandbox_source(const PoolConfig& config);

}  // namespace cloche
