#include "api/pool_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

namespace cloche {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMostThreads = 4;  // As many are started or ended at once.
constexpr auto kLookEvery = 1s;
constexpr auto kFirstBackoff = 100ms, kLongestBackoff = 30'000ms;
// One that ends by itself sooner than this was started in vain.
constexpr auto kYoung = 10s;

std::chrono::milliseconds backoff(unsigned failures) {
  return std::min(kLongestBackoff, kFirstBackoff * (1 << std::min(failures - 1, 10U)));
}

std::unexpected<Error> closing() { return fail(ErrorCode::kUnavailable, "the pool is being ended"); }

}  // namespace

Result<std::shared_ptr<PoolCore>> PoolCore::create(std::unique_ptr<PoolSource> source, PoolConfig config) {
  std::shared_ptr<PoolCore> core(new PoolCore(std::move(source), std::move(config)));
  size_t threads = std::min<size_t>(core->config_.max, kMostThreads);
  try {
    for (size_t i = 0; i < threads; ++i) core->threads_.emplace_back([raw = core.get()] { raw->work(); });
  } catch (const std::system_error& error) {
    return fail(ErrorCode::kHost, "start the pool's threads", error.code().value());
  }
  return core;
}

PoolCore::PoolCore(std::unique_ptr<PoolSource> source, PoolConfig config)
    : source_(std::move(source)), config_(std::move(config)), next_look_(source_->now() + kLookEvery) {}

PoolCore::~PoolCore() { shut_down(); }

// --- What the threads do

void PoolCore::work() {
  Lock lock(mutex_);
  for (;;) {
    if (Job job = next_job(); job.act != nullptr) {
      (this->*job.act)(lock, job.id);
      continue;
    }
    if (stopping_ && all_.empty() && starting_ == 0) return;
    if (auto when = due())
      changed_.wait_for(lock, std::max<Clock::duration>(*when - source_->now(), 1ms));
    else
      changed_.wait(lock);
  }
}

// Ending comes first: it makes room.
PoolCore::Job PoolCore::next_job() {
  auto now = source_->now();
  for (auto& [id, entry] : all_)
    if (entry.state == PooledState::kEnding && !entry.busy && entry.retry <= now) return {&PoolCore::end_one, id};
  if (stopping_) return {};
  for (auto& [id, entry] : all_)
    if (entry.state == PooledState::kChecking && !entry.busy) return {&PoolCore::check_one, id};
  if (wants_start() && next_start_ <= now) return {&PoolCore::start_one};
  if (const Entry* idle = to_reap(); idle != nullptr && idle->since + config_.idle_time <= now) {
    put(all_.at(idle->item.id), PooledState::kEnding);
    return {&PoolCore::end_one, idle->item.id};
  }
  if (!looking_ && !all_.empty() && next_look_ <= now) return {&PoolCore::look_at_all};
  return {};
}

// When there may be a job without anything having happened.
std::optional<PoolCore::Clock::time_point> PoolCore::due() const {
  std::optional<Clock::time_point> first;
  auto consider = [&](Clock::time_point when) { first = first ? std::min(*first, when) : when; };
  for (const auto& [id, entry] : all_)
    if (entry.state == PooledState::kEnding && !entry.busy) consider(entry.retry);
  if (stopping_) return first;
  if (wants_start()) consider(next_start_);
  if (const Entry* idle = to_reap()) consider(idle->since + config_.idle_time);
  if (!looking_ && !all_.empty()) consider(next_look_);
  return first;
}

void PoolCore::start_one(Lock& lock, const std::string&) {
  ++starting_;
  lock.unlock();
  auto made = source_->make();
  lock.lock();
  --starting_;
  changed_.notify_all();
  if (!made) return start_failed(lock, std::move(made).error());
  std::string id = made->id;
  auto now = source_->now();
  Entry& entry = all_[id] = {.item = std::move(*made), .since = now, .made = now};
  offer(lock, entry);
}

void PoolCore::check_one(Lock& lock, const std::string& id) {
  Entry& entry = all_.at(id);  // Stays: nobody else touches a busy one.
  entry.busy = true;
  lock.unlock();
  auto answered = source_->ping(entry.item);
  lock.lock();
  entry.busy = false;
  if (answered) return offer(lock, entry);
  put(entry, PooledState::kEnding);
  log(lock, fmt::format("sandbox {} came back and does not answer; it is replaced: {}", entry.item.name,
                        answered.error().message()));
}

void PoolCore::end_one(Lock& lock, const std::string& id) {
  Entry& entry = all_.at(id);
  entry.busy = true;
  lock.unlock();
  auto ended = source_->end(entry.item);
  lock.lock();
  changed_.notify_all();
  std::string line;
  if (!ended) line = fmt::format("sandbox {} cannot be removed: {}", entry.item.name, ended.error().message());
  if (ended || stopping_) {
    all_.erase(id);
  } else {
    entry.busy = false;
    entry.retry = source_->now() + backoff(++entry.failures);
  }
  if (!ended) log(lock, line);
}

// Ready ones that have died are replaced; of those in use, it counts whether they were removed.
void PoolCore::look_at_all(Lock& lock, const std::string&) {
  looking_ = true;
  std::vector<Pooled> seen;
  for (const auto& [id, entry] : all_)
    if (entry.state == PooledState::kReady || entry.state == PooledState::kInUse) seen.push_back(entry.item);
  lock.unlock();
  std::vector<PoolSource::Health> healths;
  for (const Pooled& item : seen) healths.push_back(source_->look(item));
  lock.lock();
  looking_ = false;
  next_look_ = source_->now() + kLookEvery;
  changed_.notify_all();
  for (size_t i = 0; i < seen.size(); ++i) {
    Entry* entry = find(seen[i].id);
    if (entry == nullptr) continue;
    if (entry->state == PooledState::kReady && healths[i] != PoolSource::Health::kGood)
      lost_ready_one(lock, *entry);
    else if (entry->state == PooledState::kInUse && healths[i] == PoolSource::Health::kGone)
      all_.erase(seen[i].id);
    else if (entry->state == PooledState::kReady && entry->made + kYoung <= source_->now())
      failures_ = 0, failure_.clear();
  }
}

// --- Who gets what

bool PoolCore::wants_start() const {
  size_t coming = count(PooledState::kReady) + count(PooledState::kChecking) + starting_;
  return all_.size() + starting_ < config_.max && coming < waiters_.size() + config_.min;
}

// The ready one beyond `min` that nobody wanted for the longest time.
const PoolCore::Entry* PoolCore::to_reap() const {
  if (count(PooledState::kReady) <= config_.min) return nullptr;
  const Entry* oldest = nullptr;
  for (const auto& [id, entry] : all_)
    if (entry.state == PooledState::kReady && (oldest == nullptr || entry.since < oldest->since)) oldest = &entry;
  return oldest;
}

PoolCore::Entry* PoolCore::find(const std::string& id) {
  auto found = all_.find(id);
  return found == all_.end() ? nullptr : &found->second;
}

void PoolCore::put(Entry& entry, PooledState state) {
  entry.state = state;
  entry.since = source_->now();
  changed_.notify_all();
}

// One that can be used goes to whoever is next, or lies ready.
void PoolCore::offer(Lock& lock, Entry& entry) {
  if (stopping_) return put(entry, PooledState::kEnding);
  if (waiters_.empty()) return put(entry, PooledState::kReady);
  Taker taker = std::move(waiters_.extract(waiters_.begin()).mapped());
  put(entry, PooledState::kInUse);
  failures_ = 0;
  failure_.clear();
  Pooled item = entry.item;
  lock.unlock();
  taker(std::move(item));
  lock.lock();
}

// Ready ones to those who wait, after a look at each: it may have died a moment ago.
void PoolCore::serve_waiters(Lock& lock) {
  while (!waiters_.empty() && !stopping_) {
    Entry* newest = nullptr;  // So that those nobody needs can be reaped.
    for (auto& [id, entry] : all_)
      if (entry.state == PooledState::kReady && (newest == nullptr || entry.since >= newest->since)) newest = &entry;
    if (newest == nullptr) return;
    newest->state = PooledState::kChecking;
    newest->busy = true;
    lock.unlock();
    auto health = source_->look(newest->item);
    lock.lock();
    newest->busy = false;
    if (health != PoolSource::Health::kGood)
      lost_ready_one(lock, *newest);
    else if (waiters_.empty() && !stopping_)
      newest->state = PooledState::kReady;  // Who waited has given up meanwhile. It was idle all the time.
    else
      offer(lock, *newest);
  }
}

void PoolCore::lost_ready_one(Lock& lock, Entry& entry) {
  auto age = source_->now() - entry.made;
  put(entry, PooledState::kEnding);
  std::string line = fmt::format("sandbox {} has ended by itself; it is replaced", entry.item.name);
  if (age < kYoung) {
    next_start_ = source_->now() + backoff(++failures_);
    failure_ = line;
  }
  log(lock, line);
}

void PoolCore::start_failed(Lock& lock, Error error) {
  next_start_ = source_->now() + backoff(++failures_);
  failure_ = error.message();
  if (waiters_.empty() || stopping_) return log(lock, fmt::format("a sandbox cannot be started: {}", failure_));
  Taker taker = std::move(waiters_.extract(waiters_.begin()).mapped());
  lock.unlock();
  taker(std::unexpected(std::move(error)));
  lock.lock();
}

void PoolCore::log(Lock& lock, const std::string& line) {
  if (!config_.log) return;
  lock.unlock();
  {
    std::lock_guard one_at_a_time(log_mutex_);
    config_.log(line);
  }
  lock.lock();
}

size_t PoolCore::count(PooledState state) const {
  return static_cast<size_t>(
      std::ranges::count_if(all_, [state](const auto& each) { return each.second.state == state; }));
}

// --- From outside

PoolCore::Ticket PoolCore::acquire(Taker taker) {
  Lock lock(mutex_);
  if (stopping_) {
    lock.unlock();
    taker(closing());
    return 0;
  }
  Ticket ticket = ++last_ticket_;
  waiters_.emplace(ticket, std::move(taker));
  serve_waiters(lock);
  changed_.notify_all();
  return ticket;
}

bool PoolCore::cancel(Ticket ticket) {
  std::lock_guard lock(mutex_);
  return waiters_.erase(ticket) != 0;
}

Result<Pooled> PoolCore::acquire_within(std::chrono::milliseconds deadline) {
  struct Place {
    std::mutex mutex;
    std::condition_variable filled;
    std::optional<Result<Pooled>> taken;
  };
  auto place = std::make_shared<Place>();
  auto until = std::chrono::steady_clock::now() + deadline;
  Ticket ticket = acquire([place](Result<Pooled> taken) {
    std::lock_guard lock(place->mutex);
    place->taken = std::move(taken);
    place->filled.notify_all();
  });
  std::unique_lock lock(place->mutex);
  auto is_filled = [&] { return place->taken.has_value(); };
  if (place->filled.wait_until(lock, until, is_filled)) return std::move(*place->taken);
  lock.unlock();
  if (cancel(ticket)) return std::unexpected(late(deadline));
  lock.lock();
  place->filled.wait(lock, is_filled);  // It is on its way.
  return std::move(*place->taken);
}

Error PoolCore::late(std::chrono::milliseconds deadline) const {
  PoolStatus now = status();
  std::string text = fmt::format("no sandbox became free within {} ms: {} of {} are in use", deadline.count(),
                                 now.count(PooledState::kInUse), now.max);
  if (now.starting > 0) text += fmt::format(", {} being started", now.starting);
  if (now.waiting > 0) text += fmt::format(", {} more wait", now.waiting);
  if (!now.failure.empty()) text += "; the last that failed: " + now.failure;
  return {ErrorCode::kTimeout, 0, std::move(text)};
}

bool PoolCore::give_back(const std::string& sandbox, GiveBack how) {
  std::lock_guard lock(mutex_);
  for (auto& [id, entry] : all_) {
    if (entry.state != PooledState::kInUse || (id != sandbox && entry.item.name != sandbox)) continue;
    bool keep = config_.between_users == BetweenUsers::kKeep && how == GiveBack::kAsConfigured;
    put(entry, keep ? PooledState::kChecking : PooledState::kEnding);
    return true;
  }
  return false;
}

PoolStatus PoolCore::status() const {
  std::lock_guard lock(mutex_);
  PoolStatus status{.min = config_.min,
                    .max = config_.max,
                    .starting = static_cast<uint32_t>(starting_),
                    .waiting = static_cast<uint32_t>(waiters_.size()),
                    .failure = failure_};
  for (const auto& [id, entry] : all_)
    status.sandboxes.push_back({id, entry.item.name, entry.state,
                                std::chrono::floor<std::chrono::milliseconds>(source_->now() - entry.since)});
  return status;
}

void PoolCore::clock_moved() {
  std::lock_guard lock(mutex_);
  changed_.notify_all();
}

void PoolCore::shut_down() {
  Lock lock(mutex_);
  stopping_ = true;
  auto waiters = std::move(waiters_);
  waiters_.clear();
  for (auto& [id, entry] : all_) {
    entry.retry = {};
    if (!entry.busy) put(entry, PooledState::kEnding);
  }
  auto threads = std::move(threads_);
  threads_.clear();
  changed_.notify_all();
  lock.unlock();
  for (auto& [ticket, taker] : waiters) taker(closing());
  for (std::thread& each : threads) each.join();
  source_->close();
}

}  // namespace cloche
