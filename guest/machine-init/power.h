// The machine's own clock of idleness, and its end.
#pragma once

#include <cstdint>

namespace cloche::machine_init {

// Seconds by the host's clock, as the emulated RTC shows it. The kernel's own clocks will not do: with -icount
// sleep=off they leap over every idle moment.
uint64_t host_seconds();

// Ends every process, writes everything back and powers off. Does not return.
[[noreturn]] void power_off();

}  // namespace cloche::machine_init
