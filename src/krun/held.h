// cloche's programs, taken hold of when this library is loaded. A container runtime loads it, then changes its root
// directory to the container's and closes its descriptors, and only then asks for a VM.
#pragma once

#include <memory>

#include "cloche/held_installation.h"

namespace cloche::krun {

// What was found then; an error says what was missing.
Result<std::shared_ptr<const HeldInstallation>> held_installation();

// Whether "/" is what it was then. A container runtime's is the container's image: nothing that lies there may run
// here.
bool has_own_root();

}  // namespace cloche::krun
