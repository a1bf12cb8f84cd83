// One connection to the agent, served by a process of its own: who is it, what does it want.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "base/fd.h"
#include "caches.h"

namespace cloche::machine_init {

// What PID 1 and the processes that serve connections share: in shared memory, made before the first of them.
struct Shared {
  CacheState caches;
  std::atomic<uint32_t> commands{0};
};

struct SessionContext {
  Shared& shared;
  const std::string& token;
  uint64_t number = 0;  // Of the connection; never the same twice.
  uint64_t idle_stop_s = 0;
};

// Serves the connection to its end. SIGCHLD is blocked in the calling process, which does nothing else afterwards.
void serve_client(Fd connection, const SessionContext& context);

}  // namespace cloche::machine_init
