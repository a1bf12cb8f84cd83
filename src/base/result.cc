#include "base/result.h"

#include <cstring>

namespace cloche {

std::string Error::message() const {
  if (sys_errno == 0) return what;
  return what + ": " + ::strerror(sys_errno);
}

std::unexpected<Error> fail_errno(std::string what, int sys_errno) {
  ErrorCode code = ErrorCode::kHost;
  if (sys_errno == ENOENT) code = ErrorCode::kNotFound;
  if (sys_errno == EACCES || sys_errno == EPERM) code = ErrorCode::kPermission;
  if (sys_errno == EINVAL) code = ErrorCode::kInvalidArgument;
  return fail(code, std::move(what), sys_errno);
}

}  // namespace cloche
