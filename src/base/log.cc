#include "base/log.h"

#include <algorithm>
#include <memory>
#include <mutex>

namespace cloche {
namespace {

using Clock = std::chrono::steady_clock;

struct Limit {
  std::mutex mutex;
  Clock::time_point full_at;  // When `burst` lines may pass again; a line moves it on by one interval.
  size_t left_out = 0;
};

}  // namespace

Log::Sink limited(Log::Sink sink, unsigned burst, std::chrono::milliseconds interval,
                  std::function<Clock::time_point()> now) {
  auto limit = std::make_shared<Limit>();
  return [limit, sink = std::move(sink), most = burst * interval, interval, now = std::move(now)](
             LogLevel level, std::string_view line) {
    std::lock_guard hold(limit->mutex);
    auto time = now();
    auto next = std::max(limit->full_at, time) + interval;
    if (next > time + most) {
      ++limit->left_out;
      return;
    }
    limit->full_at = next;
    if (limit->left_out > 0) sink(level, fmt::format("{} lines like these were left out", limit->left_out));
    limit->left_out = 0;
    sink(level, line);
  };
}

}  // namespace cloche
