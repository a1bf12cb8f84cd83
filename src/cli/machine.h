// `cloche machine start|stop|status|exec`: the emulated computer that stands in for hardware KVM.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace cloche {

// Adds the subcommand to `app`. When it is the one on the command line, parsing leaves in `action` what is to be run:
// it returns the process's exit code, and has said on stderr what went wrong.
void add_machine_command(CLI::App& app, std::function<int()>& action);

}  // namespace cloche
