// cloche_error, and the version.
#include <new>
#include <string>

#include "capi/guard.h"
#include "capi/handles.h"
#include "cloche/version.h"

namespace cloche::capi {

// The numbers of cloche.h are those of ErrorCode, from 1 on.
constexpr cloche_code code_of(ErrorCode code) { return static_cast<cloche_code>(static_cast<int>(code) + 1); }
static_assert(code_of(ErrorCode::kInvalidArgument) == CLOCHE_INVALID_ARGUMENT);
static_assert(code_of(ErrorCode::kNotFound) == CLOCHE_NOT_FOUND);
static_assert(code_of(ErrorCode::kPermission) == CLOCHE_PERMISSION);
static_assert(code_of(ErrorCode::kUnavailable) == CLOCHE_UNAVAILABLE);
static_assert(code_of(ErrorCode::kHost) == CLOCHE_HOST);
static_assert(code_of(ErrorCode::kGuest) == CLOCHE_GUEST);
static_assert(code_of(ErrorCode::kTimeout) == CLOCHE_TIMEOUT);
static_assert(code_of(ErrorCode::kProtocol) == CLOCHE_PROTOCOL);
static_assert(code_of(ErrorCode::kUnsupported) == CLOCHE_UNSUPPORTED);
static_assert(code_of(ErrorCode::kInternal) == CLOCHE_INTERNAL);

cloche_code report(cloche_error** to, const Error& error) noexcept {
  if (to == nullptr) return code_of(error.code);
  try {
    *to = new cloche_error{error, error.message()};
  } catch (const std::exception&) {
    *to = nullptr;  // No memory for words; the code is there.
  }
  return code_of(error.code);
}

}  // namespace cloche::capi

extern "C" {

cloche_code cloche_error_code(const cloche_error* error) {
  return error == nullptr ? CLOCHE_OK : cloche::capi::code_of(error->error.code);
}
int cloche_error_errno(const cloche_error* error) { return error == nullptr ? 0 : error->error.sys_errno; }
const char* cloche_error_message(const cloche_error* error) { return error == nullptr ? "" : error->message.c_str(); }
void cloche_error_free(cloche_error* error) { delete error; }

const char* cloche_version(void) { return cloche::version().data(); }  // A literal, which ends with a NUL.

}  // extern "C"
