// Turns what a VM's process reported, or did not, into an Outcome. Everything in a report may be the guest's words.
#pragma once

#include <optional>
#include <string>

#include "cloche/vm.h"
#include "wire/vmm.h"

namespace cloche {

Outcome make_outcome(wire::Ended ended);

// For a process that ended without a report. `wait_status` as waitpid() gives it, where it is known.
Outcome make_silent_outcome(std::optional<int> wait_status);

// For one that we ended.
Outcome make_lost_outcome(LostReason reason, std::string text);

}  // namespace cloche
