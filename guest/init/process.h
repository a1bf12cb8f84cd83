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

enum class Session { kOwn, kOurs };

// What the command becomes before it runs its program.
struct Standing {
  int group = -1;                    // An open cgroup.procs, of the control group that it joins.
  const char* kill_order = nullptr;  // For its oom_score_adj; without, it is ours.
  Session session = Session::kOwn;
};

// Starts the command that `start` describes, in a session of its own unless `standing` says otherwise; its program is
// the open file `program` or kByName. Returns once it runs its own program; otherwise why it does not: kNotFound,
// kNotRunnable or kFailed, as an Exited without times.
std::expected<pid_t, wire::Exited> launch(const wire::Start& start, const CommandStreams& streams,
                                          int program = kByName, const Standing& standing = {});

// The same, with this process as the command's. Returns only what launch() would answer.
wire::Exited become(const wire::Start& start, const CommandStreams& streams, const Standing& standing = {});

}  // namespace cloche::init
