// Instead of a C library: cloche-init is linked against nothing. The C library's headers declare what it calls; this
// folder defines just that much, as bare system calls, and the linker names whatever is missing. So the program is a
// twentieth of what static glibc would make it, and its size is boot time.
#pragma once

namespace cloche::init::runtime {

// For what cannot happen to a sound program (std::abort, no memory): a line on the console, then the end of the VM.
[[noreturn]] void die(const char* what);

}  // namespace cloche::init::runtime
