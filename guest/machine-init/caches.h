// /usr a second time, with a cache: the host's system files change only with its packages, and they are most of what a
// program reads when it starts. /usr/local stays uncached, for people install there what they just built.
#pragma once

#include <atomic>
#include <cstdint>

namespace cloche::machine_init {

// Shared by PID 1 and the processes that serve connections.
struct CacheState {
  std::atomic<uint64_t> stamp{0};    // Of the last client; 0: none yet.
  std::atomic<bool> mounted{false};  // The cached /usr is in place.
};

// Puts a cached /usr on top of the root's, or a fresh one when `stamp` says that the host's may have changed. Where it
// cannot (somebody still uses the outdated one, which is then only taken out of sight), programs run from the uncached
// root: right, slower.
void refresh_caches(CacheState& state, uint64_t stamp);

}  // namespace cloche::machine_init
