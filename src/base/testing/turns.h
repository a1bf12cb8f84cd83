// How tests run a loop: by what it has to do, not by the clock, which on a busy computer is over before the loop
// begins.
#pragma once

#include <gtest/gtest.h>

#include "base/event_loop.h"

namespace cloche {

// The loop looks at its descriptors and timers exactly so many times, each time serving all that is ready, and stops.
inline void run_turns(EventLoop& loop, unsigned turns) {
  std::function<void()> next = [&] {
    if (turns-- == 0)
      loop.stop();
    else
      loop.post(next);  // It also wakes the loop, so that a turn with nothing ready is over at once.
  };
  loop.post(next);
  ASSERT_TRUE(loop.run());
}

}  // namespace cloche
