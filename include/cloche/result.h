// Errors as values: every fallible call of cloche returns Result<T>, and the Error in it says what failed, on what.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace cloche {

// What kind of thing went wrong, coarse enough to switch on.
enum class ErrorCode : uint8_t {
  kInvalidArgument,  // The caller asked for something that cannot be; nothing was created.
  kNotFound,         // A file, program or device named by the caller is not there.
  kPermission,       // It is there and may not be used.
  kUnavailable,      // The host lacks something (KVM, a kernel image) that the act needs.
  kHost,             // A system call of the host failed; sys_errno says how.
  kGuest,            // The guest broke a protocol.
  kTimeout,          // A deadline passed.
  kProtocol,         // The other end of a connection of ours sent what it must not.
  kUnsupported,      // Known, and not built yet or not possible here.
  kInternal,         // Our mistake.
};

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  int sys_errno = 0;  // 0 where no system call is behind it.
  std::string what;   // The act and its object, outermost context first: "start VM: open /dev/kvm".

  // The same error with `context` in front of what it says.
  [[nodiscard]] Error in(std::string_view context) && {
    what.insert(0, ": ").insert(0, context);
    return std::move(*this);
  }
  // One line for a person: what, and the errno's text.
  [[nodiscard]] std::string message() const;
};

template <typename T = void>
using Result = std::expected<T, Error>;

// Makes the failing half of a Result.
[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string what, int sys_errno = 0) {
  return std::unexpected(Error{code, sys_errno, std::move(what)});
}

}  // namespace cloche
