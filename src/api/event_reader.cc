// Events, read from files that many processes append to (sandbox/event_log.h).
#include <thread>

#include "api/rotated_lines.h"
#include "cloche/events.h"
#include "sandbox/event_log.h"
#include "sandbox/home.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kLook = 50ms;
constexpr auto kCrashLook = 1s;

}  // namespace

class EventReader::Lines {
 public:
  explicit Lines(sandbox::Home home)
      : home_(std::move(home)), lines_(sandbox::EventLog(home_.path()).path(), RotatedLines::Writers::kMany) {}

  // Looking at a sandbox is what adds its crash.
  void look_for_crashes() {
    auto ids = home_.ids();
    if (!ids) return;
    for (const std::string& id : *ids) static_cast<void>(home_.info(id));
    looked_ = Clock::now();
  }
  Result<void> skip_all() { return lines_.skip_all(); }

  Result<std::optional<Event>> next(std::chrono::milliseconds patience) {
    auto now = Clock::now(), never = Clock::time_point::max();
    auto until = patience < std::chrono::duration_cast<std::chrono::milliseconds>(never - now) ? now + patience : never;
    for (;;) {
      while (auto line = TRY(lines_.next()))
        if (auto event = sandbox::decode_event(*line)) return std::move(*event);
      now = Clock::now();
      if (now >= until) return std::nullopt;
      if (now - looked_ >= kCrashLook) look_for_crashes();
      std::this_thread::sleep_for(std::min<Clock::duration>(kLook, until - now));
    }
  }

 private:
  sandbox::Home home_;
  RotatedLines lines_;
  Clock::time_point looked_;
};

EventReader::EventReader(std::unique_ptr<Lines> lines) : lines_(std::move(lines)) {}
EventReader::EventReader(EventReader&&) noexcept = default;
EventReader& EventReader::operator=(EventReader&&) noexcept = default;
EventReader::~EventReader() = default;

Result<EventReader> EventReader::open(const std::string& home, EventsFrom from) {
  auto lines = std::make_unique<Lines>(TRY(sandbox::Home::open(home)));
  lines->look_for_crashes();
  if (from == EventsFrom::kNow) TRY(lines->skip_all());
  return EventReader(std::move(lines));
}

Result<std::optional<Event>> EventReader::next(std::chrono::milliseconds patience) { return lines_->next(patience); }

}  // namespace cloche
