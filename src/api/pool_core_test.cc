// Who gets which sandbox when, with sandboxes made of nothing and a clock that the test sets.
#include "api/pool_core.h"

#include <gmock/gmock.h>

#include <atomic>
#include <set>

#include "api/testing/fake_pool_source.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class PoolCoreTest : public ::testing::Test {
 protected:
  void open(PoolConfig config) {
    config.log = [this](std::string_view line) { lines_.append(line).append("\n"); };
    core = PoolCore::create(std::make_unique<FakeSource>(world), std::move(config)).value();
  }
  // Until the pool is as `condition` says.
  template <typename Condition>
  void wait_until(Condition condition) {
    auto end = std::chrono::steady_clock::now() + 20s;
    while (!condition(core->status())) {
      ASSERT_LT(std::chrono::steady_clock::now(), end);
      std::this_thread::sleep_for(1ms);
    }
  }
  void wait_for_ready(uint32_t count) {
    wait_until([=](const PoolStatus& status) {
      return status.count(PooledState::kReady) == count && status.starting == 0 &&
             status.count(PooledState::kEnding) == 0;
    });
  }
  void pass(std::chrono::milliseconds time) {
    world.now_ms += time.count();
    core->clock_moved();
  }
  std::string acquire(std::chrono::milliseconds deadline = 20s) {
    auto taken = core->acquire_within(deadline);
    if (!taken) return taken.error().message();
    return taken->id;
  }

  FakeWorld world;
  std::shared_ptr<PoolCore> core;

 private:
  std::string lines_;
};

// Somebody who waits for a sandbox.
class Waiter {
 public:
  explicit Waiter(PoolCore& core) {
    ticket = core.acquire([this](Result<Pooled> taken) {
      std::lock_guard lock(mutex_);
      ++calls;
      got_ = taken ? taken->id : taken.error().message();
      changed_.notify_all();
    });
  }
  std::string get() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 20s, [&] { return !got_.empty(); }));
    return got_;
  }
  bool is_waiting() {
    std::lock_guard lock(mutex_);
    return got_.empty();
  }
  PoolCore::Ticket ticket;
  int calls = 0;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string got_;
};

TEST_F(PoolCoreTest, MinAreReadyAndHandedOutAtOnce) {
  open({.min = 2, .max = 5});
  wait_for_ready(2);
  world.set([&] { world.is_open = false; });  // From here on, no start ends.
  std::string first = acquire(), second = acquire();
  EXPECT_NE(first, second);
  world.wait_for([&] { return world.making == 2; });  // The next ones are on their way.
  world.set([&] { world.is_open = true; });
  wait_for_ready(2);
  EXPECT_EQ(core->status().count(PooledState::kInUse), 2u);
}

TEST_F(PoolCoreTest, NeverMoreThanMax) {
  open({.min = 0, .max = 3});
  std::vector<std::string> held{acquire(), acquire(), acquire()};
  EXPECT_EQ(std::set(held.begin(), held.end()).size(), 3u);
  std::string late = acquire(20ms);
  EXPECT_THAT(late, HasSubstr("3 of 3 are in use"));
  EXPECT_THAT(late, HasSubstr("20 ms"));
  EXPECT_EQ(core->acquire_within(1ms).error().code, ErrorCode::kTimeout);
  EXPECT_EQ(core->status().waiting, 0u);
  EXPECT_TRUE(core->give_back(held[1]));
  EXPECT_EQ(acquire(), "id4");  // A fresh one.
  EXPECT_EQ(world.most, 3u);
}

TEST_F(PoolCoreTest, FirstComeFirstServed) {
  open({.min = 0, .max = 1, .between_users = BetweenUsers::kKeep});
  std::string only = acquire();
  Waiter first(*core), second(*core), third(*core);
  EXPECT_TRUE(core->cancel(second.ticket));
  EXPECT_FALSE(core->cancel(second.ticket));
  EXPECT_TRUE(core->give_back(only));
  EXPECT_EQ(first.get(), only);
  EXPECT_TRUE(third.is_waiting());
  EXPECT_TRUE(core->give_back(only));
  EXPECT_EQ(third.get(), only);
  EXPECT_TRUE(second.is_waiting());
  EXPECT_FALSE(core->cancel(third.ticket));
  EXPECT_EQ(world.last, 1);
}

TEST_F(PoolCoreTest, AReturnedOneIsReplacedForAWaiter) {
  open({.min = 0, .max = 1});
  std::string only = acquire();
  Waiter waiter(*core);
  EXPECT_TRUE(core->give_back("name1"));
  EXPECT_EQ(waiter.get(), "id2");
  EXPECT_FALSE(core->give_back(only));  // It is nobody's any more,
  EXPECT_TRUE(core->give_back("id2"));
  EXPECT_FALSE(core->give_back("id2"));  // and given back once.
  EXPECT_EQ(world.most, 1u);
}

TEST_F(PoolCoreTest, KeptOnesArePingedWhenTheyComeBack) {
  open({.min = 0, .max = 2, .between_users = BetweenUsers::kKeep});
  std::string first = acquire();
  core->give_back(first);
  wait_for_ready(1);
  EXPECT_EQ(acquire(), first);
  world.set([&] { world.dead.insert(first); });
  core->give_back(first);
  EXPECT_EQ(acquire(), "id2");
  core->give_back("id2", GiveBack::kDiscard);
  EXPECT_EQ(acquire(), "id3");
  wait_for_ready(0);
  EXPECT_EQ(world.alive, std::set<std::string>{"id3"});
}

TEST_F(PoolCoreTest, IdleOnesBeyondMinAreReaped) {
  open({.min = 1, .max = 4, .between_users = BetweenUsers::kKeep, .idle_time = 1min});
  std::vector<std::string> held{acquire(), acquire(), acquire()};
  wait_for_ready(1);
  for (const std::string& each : held) core->give_back(each);
  wait_for_ready(4);
  pass(59s);
  std::string used = acquire();
  core->give_back(used);
  wait_for_ready(4);
  pass(1s);
  wait_for_ready(1);  // The one that was used just now.
  EXPECT_EQ(world.alive, std::set<std::string>{used});
  pass(1h);
  EXPECT_EQ(core->status().sandboxes[0].id, used);
}

TEST_F(PoolCoreTest, OneThatDiedIsReplaced) {
  open({.min = 2, .max = 2});
  wait_for_ready(2);
  world.set([&] { world.dead.insert("id1"); });
  pass(20s);
  world.wait_for([&] { return world.last == 3 && !world.alive.contains("id1"); });
  wait_for_ready(2);
  pass(20s);
  // Nobody is handed a dead one, looked at or not.
  world.set([&] { world.dead = world.alive; });
  std::string got = acquire();
  EXPECT_TRUE(got == "id4" || got == "id5") << got;
}

TEST_F(PoolCoreTest, WhatEndsRightAfterItsStartIsNotStartedInALoop) {
  open({.min = 1, .max = 1});
  for (int round = 1; round <= 8; ++round) {
    world.wait_for([&] { return world.last == round; });
    wait_for_ready(1);
    world.set([&] { world.dead = world.alive; });
    pass(1s);  // It is looked at,
    wait_until([](const PoolStatus& status) { return status.sandboxes.empty(); });
    EXPECT_THAT(core->status().failure, HasSubstr("ended by itself"));
    pass(30s);
  }
  wait_for_ready(1);
  pass(11s);  // and this one lives.
  wait_until([](const PoolStatus& status) { return status.failure.empty(); });
}

TEST_F(PoolCoreTest, OneInUseThatWasRemovedMakesRoom) {
  open({.min = 0, .max = 1});
  std::string held = acquire();
  world.set([&] { world.dead.insert(held); });
  pass(2s);
  Waiter waiter(*core);
  pass(2s);
  EXPECT_TRUE(waiter.is_waiting());  // A dead one may still be looked into by who has it.
  world.set([&] {
    world.gone.insert(held);
    world.alive.erase(held);
  });
  pass(2s);
  EXPECT_EQ(waiter.get(), "id2");
  EXPECT_FALSE(core->give_back(held));
}

TEST_F(PoolCoreTest, AFailedStartIsToldToWhoWaitsAndBacksOff) {
  world.broken = true;
  open({.min = 0, .max = 4});
  EXPECT_THAT(acquire(), HasSubstr("no kernel"));
  EXPECT_EQ(core->acquire_within(20ms).error().code, ErrorCode::kTimeout);  // No try before its time.
  EXPECT_THAT(acquire(1ms), HasSubstr("no kernel"));
  EXPECT_EQ(world.tries, 1);
  Waiter first(*core);
  pass(99ms);
  EXPECT_TRUE(first.is_waiting());
  pass(1ms);
  EXPECT_THAT(first.get(), HasSubstr("no kernel"));
  Waiter second(*core);
  EXPECT_THAT(core->status().failure, HasSubstr("no kernel"));
  world.set([&] { world.broken = false; });
  EXPECT_TRUE(second.is_waiting());
  pass(200ms);
  EXPECT_EQ(second.get(), "id1");
  EXPECT_EQ(core->status().failure, "");
}

TEST_F(PoolCoreTest, WhatCannotBeRemovedIsTriedAgainAndCounts) {
  open({.min = 0, .max = 1});
  std::string held = acquire();
  world.set([&] { world.endless = 2; });
  core->give_back(held);
  world.wait_for([&] { return world.endless == 1; });
  EXPECT_THAT(acquire(1ms), HasSubstr("0 of 1 are in use"));
  Waiter waiter(*core);
  wait_until([&](const PoolStatus&) {
    pass(100ms);
    return !waiter.is_waiting();
  });
  EXPECT_EQ(waiter.get(), "id2");
}

TEST_F(PoolCoreTest, ShuttingDownEndsAllAndTellsWhoWaits) {
  open({.min = 2, .max = 4});
  wait_for_ready(2);
  std::string held = acquire();
  acquire();
  wait_for_ready(2);
  acquire();
  acquire();
  Waiter waiter(*core);
  std::thread blocked([&] { EXPECT_THAT(acquire(), HasSubstr("being ended")); });
  wait_until([](const PoolStatus& status) { return status.waiting == 2; });
  core->shut_down();
  EXPECT_THAT(waiter.get(), HasSubstr("being ended"));
  EXPECT_EQ(waiter.calls, 1);
  blocked.join();
  EXPECT_TRUE(world.alive.empty());
  EXPECT_FALSE(core->give_back(held));
  EXPECT_THAT(acquire(), HasSubstr("being ended"));
  core->shut_down();
}

TEST_F(PoolCoreTest, ShuttingDownWaitsForStarts) {
  world.is_open = false;
  open({.min = 2, .max = 4});
  world.wait_for([&] { return world.making == 2; });
  std::thread ending([&] { core->shut_down(); });
  wait_until([&](const PoolStatus&) { return acquire(1ms).find("being ended") != std::string::npos; });
  world.set([&] { world.is_open = true; });
  ending.join();
  EXPECT_TRUE(world.alive.empty());
}

// Many who take, keep, cancel and give back while sandboxes die: none is ever in two hands.
TEST_F(PoolCoreTest, NoSandboxIsInTwoHands) {
  open({.min = 1, .max = 5, .between_users = BetweenUsers::kKeep, .idle_time = 1ms});
  std::mutex mutex;
  std::set<std::string> held;
  std::atomic<int> served = 0;
  std::atomic<bool> over = false;
  auto user = [&](unsigned seed) {
    for (unsigned round = 0; round < 200; ++round) {
      seed = seed * 1103515245 + 12345;
      auto taken = core->acquire_within(std::chrono::milliseconds(seed >> 16 & 3 ? 20'000 : 0));
      if (!taken) continue;
      ++served;
      {
        std::lock_guard lock(mutex);
        EXPECT_TRUE(held.insert(taken->id).second) << taken->id << " is in two hands";
      }
      if ((seed >> 18 & 7) == 0) world.set([&] { world.dead.insert(taken->id); });
      if ((seed >> 21 & 3) == 0) std::this_thread::yield();
      {
        std::lock_guard lock(mutex);
        held.erase(taken->id);
      }
      EXPECT_TRUE(core->give_back(taken->id, (seed >> 24 & 7) == 0 ? GiveBack::kDiscard : GiveBack::kAsConfigured));
    }
  };
  std::vector<std::thread> users;
  for (unsigned i = 0; i < 8; ++i) users.emplace_back(user, i);
  std::thread time([&] {
    while (!over) {
      pass(50ms);
      std::this_thread::yield();
    }
  });
  for (std::thread& each : users) each.join();
  over = true;
  time.join();
  EXPECT_GT(served, 1000);
  EXPECT_LE(world.most, 5u);
  core->shut_down();
  EXPECT_TRUE(world.alive.empty());
}

}  // namespace
}  // namespace cloche
