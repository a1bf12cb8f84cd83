// Runs one command for kelpie's host, from its beginning to its one reply.
#pragma once

#include <string>

#include "base/result.h"
#include "guest/agent/kelpie_reply.h"

namespace cloche::agent {

// Of each stream; what comes beyond is read and dropped, so that the command goes on. Kelpie's own limit.
inline constexpr size_t kMostKelpieOutput = 10 << 20;

// Runs `exec` with `input` to its end. Where `client` hangs up meanwhile the command ends with all its processes, and
// the result is an error. `groups` is where control groups are mounted, or empty.
Result<KelpieOutcome> run_for_kelpie(int client, const wire::Exec& exec, std::string_view input,
                                     const std::string& groups);

}  // namespace cloche::agent
