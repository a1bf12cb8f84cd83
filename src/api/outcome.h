// Turns what a VM's process reported, or did not, into an Outcome. Everything in a report may be the guest's words.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cloche/vm.h"
#include "wire/vmm.h"

namespace cloche {

// `text` with everything that could steer a terminal replaced; line ends and tabs stay where `lines` says so.
enum class Lines : uint8_t { kKeep, kEscape };
std::string printable(std::string_view text, Lines lines = Lines::kEscape);

Outcome make_outcome(wire::Ended ended);

// For a process that ended without a report. `wait_status` as waitpid() gives it, where it is known.
Outcome make_silent_outcome(std::optional<int> wait_status);

// For one that we ended.
Outcome make_lost_outcome(LostReason reason, std::string text);

}  // namespace cloche
