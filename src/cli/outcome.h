// What a VM's end means to whoever called us: an exit code, and lines where it was not the command's own end.
#pragma once

#include <string>

#include "cloche/vm.h"

namespace cloche::cli {

int exit_code(const ExitStatus& status);

// "cloche: ..." and, after a guest's death, its kernel's last lines; empty where the command ended by itself.
std::string last_words(const Outcome& outcome);

}  // namespace cloche::cli
