// Events: what has become of the sandboxes of one home, in the order in which it was written down. Whoever changes
// something appends it to a file there, of bounded size: there is no daemon, and nobody has to listen.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cloche/result.h"

namespace cloche {

// Kinds, and what their details hold:
//   created, removed; renamed (old_name); started (restarts); ready; paused; resumed; health (status);
//   command-ended (exit_code or signal, reason); restarting (restarts, delay_ms, reason); then how it ended:
//   exited (exit_code or signal), stopped (reason), killed, failed (reason); crashed (reason), which its process could
//   not write itself: whoever finds it adds it, so its time is that of the finding.
struct Event {
  uint64_t time_ns = 0;      // CLOCK_REALTIME of the host.
  std::string id{}, name{};  // The sandbox, and what it was called then.
  std::string kind{};
  std::map<std::string, std::string> details{};  // Printable, bounded.
};

enum class EventsFrom : uint8_t {
  kOldest,  // All that is kept.
  kNow,     // What happens from now on.
};

// One thread at a time.
class EventReader {
 public:
  // `home` as for Sandbox. Looks for crashed sandboxes first.
  static Result<EventReader> open(const std::string& home = {}, EventsFrom from = EventsFrom::kOldest);
  EventReader(EventReader&&) noexcept;
  EventReader& operator=(EventReader&&) noexcept;
  ~EventReader();

  // The next one; waits for it for `patience`, then empty. Events that were rotated away before they were read, and
  // lines that are no events, are left out.
  Result<std::optional<Event>> next(std::chrono::milliseconds patience = std::chrono::milliseconds(0));

 private:
  class Lines;
  explicit EventReader(std::unique_ptr<Lines> lines);
  std::unique_ptr<Lines> lines_;
};

}  // namespace cloche
