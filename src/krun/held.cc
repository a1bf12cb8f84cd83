#include "krun/held.h"

#include <sys/stat.h>

#include <cerrno>
#include <exception>
#include <optional>

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

struct RootId {
  dev_t device;
  ino_t inode;
  bool operator==(const RootId&) const = default;
};

std::optional<RootId> root_now() {
  struct stat status{};
  if (::stat("/", &status) < 0) return std::nullopt;
  return RootId{status.st_dev, status.st_ino};
}

const Held at_load = hold();
const std::optional<RootId> root_at_load = root_now();

}  // namespace

Held held_installation() { return at_load; }

bool has_own_root() { return root_at_load && root_now() == root_at_load; }

}  // namespace cloche::krun
