// Starts the command and says how that went.
#pragma once

#include <sys/types.h>

#include <expected>

#include "wire/guest.h"

namespace cloche::init {

// The command's ends of its streams; the same terminal three times with Streams::kTerminal.
struct CommandStreams {
  int input = -1;
  int output = -1;
  int error = -1;
};

inline constexpr int kByName = -1;

// Starts the command that `start` describes, in a session of its own; its program is the open file `program` or
// kByName. Returns once it runs its own program; otherwise why it does not: kNotFound, kNotRunnable or kFailed, as an
// Exited without times.
std::expected<pid_t, wire::Exited> launch(const wire::Start& start, const CommandStreams& streams,
                                          int program = kByName);

}  // namespace cloche::init
