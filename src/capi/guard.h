// The border between C and C++: results become codes and descriptions, and no exception passes.
#pragma once

#include <cxxabi.h>

#include <exception>
#include <string_view>

#include "cloche.h"
#include "cloche/result.h"

namespace cloche::capi {

// The code of `error`, of which `to`, where not null, gets a description.
cloche_code report(cloche_error** to, const Error& error) noexcept;

// An argument that has no business being NULL.
[[nodiscard]] inline std::unexpected<Error> missing(std::string_view name) {
  return fail(ErrorCode::kInvalidArgument, std::string(name) + ": is NULL");
}

// Runs `act`, which returns a Result<void>. The end of a thread by pthread_cancel() or pthread_exit() is let through,
// as the C library insists on it.
template <typename Act>
cloche_code guarded(cloche_error** error, Act act) {
  if (error != nullptr) *error = nullptr;
  try {
    Result<void> done = act();
    return done ? CLOCHE_OK : report(error, done.error());
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (const std::exception& thrown) {
    return report(error, {ErrorCode::kInternal, 0, thrown.what()});
  } catch (...) {
    return report(error, {ErrorCode::kInternal, 0, "a callback threw an exception"});
  }
}

// The same for those that describe nothing: `act` sets one field and returns nothing.
template <typename Handle, typename Act>
cloche_code set(Handle* handle, Act act) {
  return guarded(nullptr, [&]() -> Result<void> {
    if (handle == nullptr) return missing("handle");
    return act(*handle);
  });
}

}  // namespace cloche::capi
