// What a program may ask of libkrun, and a VM of ours cannot have as it is: as much of it as there can be, with a word
// in the log, instead of no VM.
#pragma once

#include "cloche/config.h"

namespace cloche::krun {

// Processors, memory, DAX windows.
void fit_size(Config& config);

// The name, the working directory and the limits of a command.
void fit_command(Config& config);

}  // namespace cloche::krun
