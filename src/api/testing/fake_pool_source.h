// Sandboxes made of nothing, for the tests of what hands them out, and a clock that the test sets.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <string>

#include "api/pool_core.h"

namespace cloche {

// What there is of them, seen from outside the core.
class FakeWorld {
 public:
  Result<Pooled> make() {
    std::unique_lock lock(mutex);
    ++making;
    changed.notify_all();
    changed.wait(lock, [&] { return may_start > 0 || is_open; });
    if (!is_open) --may_start;
    --making;
    ++tries;
    changed.notify_all();
    if (broken) return fail(ErrorCode::kUnavailable, "no kernel");
    std::string id = "id" + std::to_string(++last);
    alive.insert(id);
    most = std::max(most, alive.size());
    return Pooled{id, "name" + std::to_string(last)};
  }
  PoolSource::Health look(const std::string& id) {
    std::lock_guard lock(mutex);
    if (gone.contains(id)) return PoolSource::Health::kGone;
    return alive.contains(id) && !dead.contains(id) ? PoolSource::Health::kGood : PoolSource::Health::kDead;
  }
  Result<void> ping(const std::string& id) {
    if (look(id) == PoolSource::Health::kGood) return {};
    return fail(ErrorCode::kTimeout, "no answer");
  }
  Result<void> end(const std::string& id) {
    std::lock_guard lock(mutex);
    if (endless > 0) {
      --endless;
      changed.notify_all();
      return fail(ErrorCode::kHost, "disk on fire");
    }
    EXPECT_TRUE(alive.erase(id) == 1 || gone.contains(id)) << id << " was ended twice";
    dead.erase(id);
    changed.notify_all();
    return {};
  }
  void set(std::function<void()> change) {
    std::lock_guard lock(mutex);
    change();
    changed.notify_all();
  }
  template <typename Condition>
  void wait_for(Condition condition) {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(20), condition));
  }

  std::mutex mutex;
  std::condition_variable changed;
  bool is_open = true;  // Starts take no time; else as many end as may_start says.
  int may_start = 0, making = 0, tries = 0, last = 0, endless = 0;
  bool broken = false;
  std::set<std::string> alive, dead, gone;
  size_t most = 0;
  std::atomic<int64_t> now_ms{1};
};

class FakeSource final : public PoolSource {
 public:
  explicit FakeSource(FakeWorld& world) : world_(world) {}
  Result<Pooled> make() override { return world_.make(); }
  Health look(const Pooled& item) override { return world_.look(item.id); }
  Result<void> ping(const Pooled& item) override { return world_.ping(item.id); }
  Result<void> end(const Pooled& item) override { return world_.end(item.id); }
  Clock::time_point now() const override { return Clock::time_point(std::chrono::milliseconds(world_.now_ms)); }

 private:
  FakeWorld& world_;
};

}  // namespace cloche
