// A socket that a sandbox's process has where its user wants it, outside of the sandbox's own directories. It is noted
// in the sandbox's directory, so that what a killed process has left behind can be told from what is somebody else's.
#pragma once

#include <string>

#include "base/fd.h"

namespace cloche::sandbox {

// Binds a socket at `path` to which only its owner can connect, once it listens. What is there already is an error.
Result<Fd> bind_socket(const std::string& path);
// The same for one that a sandbox's process has. What is there already is an error,
// unless it is the one noted in `directory`. The caller holds the sandbox's life.
Result<Fd> bind_outer_socket(const std::string& path, const std::string& directory);
// Removes the one noted in `directory`, where there is one. Not what somebody else has put in its place.
void remove_outer_socket(const std::string& directory);
// Connects to a socket on which somebody else listens; never waits.
Result<Fd> connect_outer_socket(const std::string& path);

}  // namespace cloche::sandbox
