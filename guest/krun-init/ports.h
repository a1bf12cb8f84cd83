// The streams that the host has made ports of a console, by libkrun's names for them.
#pragma once

#include <string>

#include "guest/init/failure.h"
#include "guest/init/process.h"

namespace cloche::krun_init {

// Each of the three that has no port is this process's own. `names` is the kernel's folder of ports, `devices` where
// they are. Errors: a port that is there and cannot be opened.
Result<init::CommandStreams> open_streams(const std::string& names = "/sys/class/virtio-ports",
                                          const std::string& devices = "/dev");
// Closes what open_streams() has opened.
void close_streams(const init::CommandStreams& streams);

}  // namespace cloche::krun_init
