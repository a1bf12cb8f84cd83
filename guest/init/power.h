// The end of the VM.
#pragma once

#include "guest/init/failure.h"

namespace cloche::init {

// Restarts the machine. The kernel is booted with reboot=k: the VMM sees the keyboard controller's reset line and ends
// the VM.
[[noreturn]] void end_vm();
// One line on the guest's console, then end_vm(): for what fails while there is no host to report to.
[[noreturn]] void abandon(const Error& error);

}  // namespace cloche::init
