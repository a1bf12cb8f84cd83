#include "krun/held.h"

#include <cerrno>
#include <exception>

#include "cloche/own_installation.h"
#include "libkrun.h"

namespace cloche::krun {
namespace {

using Held = Result<std::shared_ptr<const HeldInstallation>>;

Held hold() noexcept try {
  // That beside this library, where it was installed together with cloche's programs.
  return HeldInstallation::hold(installation_around(reinterpret_cast<const void*>(&krun_start_enter)));
} catch (const std::exception& error) {
  return fail(ErrorCode::kInternal, error.what(), ENOMEM);
}

const Held at_load = hold();

}  // namespace

Held held_installation() { return at_load; }

}  // namespace cloche::krun
