// The VM of a sandbox: it outlives whoever started it.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "machine/exit_report.h"
#include "wire/vmm.h"

namespace cloche {

// Runs it to its end. `fd` leads to the starter, who may go at any time.
Result<ExitReport> run_sandbox(int fd, wire::VmConfig config);

// A guest can break its devices as often as it likes; each time is a line.
Log::Sink limit_guest(Log::Sink sink);

}  // namespace cloche
