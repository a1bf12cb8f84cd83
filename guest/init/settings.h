// What the guest as a whole is told: its clock, its name, its loopback interface.
#pragma once

#include <cstdint>
#include <string>

namespace cloche::init {

// Sets CLOCK_REALTIME unless it is right already (kvm-clock usually is).
void set_clock(uint64_t realtime_ns);
void set_hostname(const std::string& name);
// 127.0.0.1 and ::1: the kernel gives `lo` its addresses as it comes up.
void bring_loopback_up();

}  // namespace cloche::init
