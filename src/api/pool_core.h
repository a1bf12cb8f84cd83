// What a Pool does, apart from what a sandbox is: who gets which when, when one is started, checked, ended. Its unit
// tests have sandboxes that are made of nothing and a clock that they set.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "cloche/pool.h"

namespace cloche {

struct Pooled {
  std::string id, name;
  std::optional<Sandbox> sandbox{};  // Always, but in the core's tests.
};

// Where a pool's sandboxes come from and go to. Called by several threads at once, without a lock.
class PoolSource {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Health : uint8_t {
    kGood,
    kDead,  // It does not run any more.
    kGone,  // It was removed.
  };

  virtual ~PoolSource() = default;
  // One that runs. May take long, and ends.
  virtual Result<Pooled> make() = 0;
  // A look that costs little.
  virtual Health look(const Pooled& item) = 0;
  virtual Result<void> ping(const Pooled& item) = 0;
  // Ends and removes it. That it is gone already is no error.
  virtual Result<void> end(const Pooled& item) = 0;
  virtual Clock::time_point now() const { return Clock::now(); }
  // There are none any more.
  virtual void close() {}
};

enum class GiveBack : uint8_t { kAsConfigured, kDiscard };

class PoolCore {
 public:
  using Clock = PoolSource::Clock;
  using Ticket = uint64_t;
  // Called once, on any thread, without a lock.
  using Taker = std::function<void(Result<Pooled>)>;

  // Of `config`, what is about numbers and times counts, and its log.
  static Result<std::shared_ptr<PoolCore>> create(std::unique_ptr<PoolSource> source, PoolConfig config);
  ~PoolCore();
  PoolCore(const PoolCore&) = delete;
  PoolCore& operator=(const PoolCore&) = delete;

  // Calls `taker` with the next sandbox that is its turn, perhaps before this returns.
  Ticket acquire(Taker taker);
  // Its taker will not be called. False: it was, or is about to be.
  bool cancel(Ticket ticket);
  // Waits for one; kTimeout at the deadline.
  Result<Pooled> acquire_within(std::chrono::milliseconds deadline);
  // What somebody is told whose deadline has passed.
  Error late(std::chrono::milliseconds deadline) const;
  // By id or name. False where nobody has it.
  bool give_back(const std::string& sandbox, GiveBack how = GiveBack::kAsConfigured);
  PoolStatus status() const;
  // After which nobody gets one, and there is none. Not from a taker.
  void shut_down();
  // For a source whose clock has jumped.
  void clock_moved();

 private:
  struct Entry {
    Pooled item;
    PooledState state = PooledState::kReady;
    Clock::time_point since{}, made{};
    bool busy = false;          // A thread does something with it, without the lock.
    unsigned failures = 0;      // Of ending it,
    Clock::time_point retry{};  // which is tried again then.
  };
  using Lock = std::unique_lock<std::mutex>;
  using Act = void (PoolCore::*)(Lock&, const std::string& id);
  struct Job {
    Act act = nullptr;
    std::string id{};
  };

  PoolCore(std::unique_ptr<PoolSource> source, PoolConfig config);
  void work();
  Job next_job();
  std::optional<Clock::time_point> due() const;
  void start_one(Lock& lock, const std::string&);
  void check_one(Lock& lock, const std::string& id);
  void end_one(Lock& lock, const std::string& id);
  void look_at_all(Lock& lock, const std::string&);

  bool wants_start() const;
  const Entry* to_reap() const;
  Entry* find(const std::string& id);
  void put(Entry& entry, PooledState state);
  void offer(Lock& lock, Entry& entry);
  void serve_waiters(Lock& lock);
  void lost_ready_one(Lock& lock, Entry& entry);
  void start_failed(Lock& lock, Error error);
  void log(Lock& lock, const std::string& line);
  size_t count(PooledState state) const;

  const std::unique_ptr<PoolSource> source_;
  const PoolConfig config_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Entry> all_;  // By id. Whose each is, its one state says.
  std::map<Ticket, Taker> waiters_;   // The first is the next.
  Ticket last_ticket_ = 0;
  size_t starting_ = 0;
  unsigned failures_ = 0;  // Starts in a row that were in vain.
  std::string failure_;
  Clock::time_point next_start_{}, next_look_{};
  bool looking_ = false;
  bool stopping_ = false;
  std::mutex log_mutex_;
  std::vector<std::thread> threads_;
};

}  // namespace cloche
