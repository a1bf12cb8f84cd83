// How a step of PID 1 fails: what it was about, and the errno of the call that refused. The VMM shows both to the user.
#pragma once

#include "base/result.h"  // Only what is inline there: cloche-init is linked without src/base.

namespace cloche::init {

inline std::unexpected<Error> failed(std::string what, int sys_errno = errno) {
  return fail(ErrorCode::kHost, std::move(what), sys_errno);
}

}  // namespace cloche::init
