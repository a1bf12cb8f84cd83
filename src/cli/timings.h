// Where the time of a run went, for people and for trace viewers.
#pragma once

#include <span>
#include <string>

#include "cloche/result.h"
#include "cloche/vm.h"

namespace cloche::cli {

// One line per phase, in order of time, host and guest side by side; times from the first phase's begin.
std::string timings_table(std::span<const TimedPhase> phases);

// The same as Chrome trace events (JSON), which ui.perfetto.dev and chrome://tracing open.
std::string timings_trace(std::span<const TimedPhase> phases);
Result<void> write_trace(const std::string& path, std::span<const TimedPhase> phases);

}  // namespace cloche::cli
