// Finds a program and becomes it, as execvp does, in a given environment.
#pragma once

namespace cloche::init {

// Why a program could not be executed.
struct Refusal {
  int error = 0;  // errno
  bool missing =
      false;  // There is no such program. With ENOENT and not missing: its interpreter or loader is not there.
};

// Arguments and environment end with a null pointer each. `arguments` has one slot in front of the program's name, free
// for the shell that runs a script without "#!"; execute() writes to the first two slots. Returns only if the program
// could not be executed. A name without a slash is looked up in the environment's PATH, or in kDefaultPath. Allocates
// nothing.
Refusal execute(char** arguments, char** environment);

inline constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

}  // namespace cloche::init
