// Where a libkrun program wants to read what happens, and how much of it.
#pragma once

#include <string_view>

#include "cloche/config.h"

namespace cloche::krun {

// What krun_set_log_level() or krun_init_log() have said; errors alone where they were not called.
Verbosity log_verbosity();
// A whole line, without its end. Any thread.
void write_log(Verbosity level, std::string_view line);

}  // namespace cloche::krun
