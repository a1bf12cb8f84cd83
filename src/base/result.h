// TRY, and errors made from errno: what every folder uses of cloche/result.h.
#pragma once

#include <cerrno>
#include <string>

#include "cloche/result.h"

// Yields the value of a Result, or returns its error from the calling function (which must return a Result or Error).
#define TRY(...)                                                                        \
  __extension__({                                                                       \
    auto try_result = (__VA_ARGS__);                                                    \
    if (!try_result.has_value()) return std::unexpected(std::move(try_result).error()); \
    std::move(try_result).value();                                                      \
  })

namespace cloche {

// The failing half of a Result from the errno of the call that just failed. ENOENT and EACCES/EPERM get codes of their
// own.
[[nodiscard]] std::unexpected<Error> fail_errno(std::string what, int sys_errno = errno);

}  // namespace cloche
