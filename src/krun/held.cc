#include "krun/held.h"

#include <dlfcn.h>

#include <filesystem>

#include "libkrun.h"

namespace cloche::krun {
namespace {

using Held = Result<std::shared_ptr<const HeldInstallation>>;

// Beside this library, where it was installed together with cloche's programs.
std::string own_installation() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<void*>(&krun_start_enter), &info) == 0) return {};
  std::error_code error;
  auto library = std::filesystem::canonical(info.dli_fname, error);
  for (auto place = library.parent_path(); !error && place.has_relative_path(); place = place.parent_path())
    if (std::filesystem::exists(place / "libexec/cloche/cloche-vmm", error)) return place.string();
  return {};
}

Held hold() noexcept try { return HeldInstallation::hold(own_installation()); } catch (const std::exception& error) {
  return fail(ErrorCode::kInternal, error.what(), ENOMEM);
}

const Held at_load = hold();

}  // namespace

Held held_installation() { return at_load; }

}  // namespace cloche::krun
