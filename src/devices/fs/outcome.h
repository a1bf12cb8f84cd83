// Outcome: a value or the errno that the guest is answered with. The FUSE server's own Result: most failures here are
// answers (no such file), not events, and must not cost an allocation.
#pragma once

#include <cerrno>
#include <expected>

namespace cloche::fs {

struct Errno {
  int value = 0;
};

// In place of an errno: the request waits for something and is to be served anew, from its start.
inline constexpr int kLater = -1;

template <typename T = void>
using Outcome = std::expected<T, Errno>;

[[nodiscard]] inline std::unexpected<Errno> refuse(int value) { return std::unexpected(Errno{value}); }
// The failure of the system call just made.
[[nodiscard]] inline std::unexpected<Errno> refuse_errno() { return std::unexpected(Errno{errno}); }

}  // namespace cloche::fs
