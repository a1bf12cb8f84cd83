// The health checks of a sandbox: a command in the guest, again and again, and what its ends mean.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.h"
#include "sandbox/state.h"
#include "vmm/agent_link.h"
#include "wire/vmm.h"

namespace cloche {

// Loop thread, all of it.
class Health {
 public:
  static constexpr size_t kMostOutput = 4096;  // Kept of a check's output, from its end.

  struct Report {
    HealthStatus status = HealthStatus::kStarting;
    uint32_t failures = 0;  // In a row.
    std::string output{};   // Of the last check that failed; printable.
  };
  struct Needs {
    // Opens a conversation with the guest's agent.
    std::function<Result<std::unique_ptr<AgentLink>>(AgentLink::Events events)> connect{};
    // Called when a check has failed, or has changed what is known.
    std::function<void(const Report&)> report{};
  };

  Health(EventLoop& loop, wire::VmHealth wanted, Needs needs);
  ~Health();
  Health(const Health&) = delete;
  Health& operator=(const Health&) = delete;

  // Begins to check.
  void start();
  // No more checks; one that is underway does not count, and its command is ended. start() begins anew, with what was
  // known.
  void hold();
  // Whether the guest may see a connection of ours.
  bool may_be_connected() const;

 private:
  using Clock = EventLoop::Clock;
  void check_later();
  void check();
  void take_frame(wire::AgentFrame type, std::span<const std::byte> payload);
  void keep(std::span<const std::byte> bytes);
  void ended(std::span<const std::byte> payload);
  // The check is over; `why` it failed, or empty.
  void judge(const std::string& why);

  EventLoop& loop_;
  wire::VmHealth wanted_;
  Needs needs_;
  Report report_;
  std::optional<Clock::time_point> began_;  // The first start().
  std::optional<EventLoop::TimerId> next_, deadline_, disposal_;
  bool underway_ = false;
  Clock::time_point connected_;  // When we last were.
  std::string output_;
  std::unique_ptr<AgentLink> link_;
};

}  // namespace cloche
