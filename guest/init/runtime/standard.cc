// What the C++ standard library's headers expect to be linked with, and the way into main().
#include <sys/reboot.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "guest/init/runtime/runtime.h"

int main();

namespace cloche::init::runtime {

void die(const char* what) {
  constexpr char kProgram[] = "cloche-init: ";
  ::write(STDERR_FILENO, kProgram, sizeof kProgram - 1);
  ::write(STDERR_FILENO, what, std::strlen(what));
  ::write(STDERR_FILENO, "\n", 1);
  ::reboot(RB_AUTOBOOT);
  ::_exit(1);
}

}  // namespace cloche::init::runtime

extern "C" {

using Constructor = void (*)();
extern Constructor __init_array_start[], __init_array_end[];  // The linker's.

[[gnu::used]] void cloche_begin() {
  for (Constructor* each = __init_array_start; each != __init_array_end; ++each) (*each)();
  ::_exit(main());
}

void abort() noexcept { cloche::init::runtime::die("aborted"); }

}  // extern "C"

// The headers report broken preconditions through these; without exceptions they are the end.
namespace std {

[[noreturn]] void __throw_length_error(const char* what) { cloche::init::runtime::die(what); }
[[noreturn]] void __throw_logic_error(const char* what) { cloche::init::runtime::die(what); }
[[noreturn]] void __throw_out_of_range_fmt(const char* what, ...) { cloche::init::runtime::die(what); }
[[noreturn]] void __throw_bad_alloc() { cloche::init::runtime::die("out of memory"); }
[[noreturn]] void __throw_bad_array_new_length() { cloche::init::runtime::die("out of memory"); }

}  // namespace std
