// What libkrun's words ask of a guest's first program. The kernel hands them over from its command line, as environment
// and arguments; a file of the root's may say more.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "guest/init/failure.h"
#include "krun/config_file.h"
#include "wire/guest.h"

namespace cloche::krun_init {

struct Words {
  std::vector<std::string> arguments;  // Without the program's own name.
  std::vector<std::string> environment;
  std::string command_line;  // The kernel's, whole.
};

struct Request {
  wire::Start start{};    // Of it: what runs and as what, the interfaces, the name.
  bool is_first = false;  // The command takes the first program's place.
  std::vector<std::string> memory_mounts{};
};

// KRUN_BLOCK_ROOT_*; no path: the root is what it is.
wire::RootDevice root_device_in(const std::vector<std::string>& environment);

// Errors: KRUN_RLIMITS that say nothing.
Result<Request> make_request(const Words& words, const krun::ConfiguredProcess& configured);

}  // namespace cloche::krun_init
