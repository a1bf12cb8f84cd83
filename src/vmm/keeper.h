// Keeper: what the process of a sandbox does besides running its VM. It holds the lock that tells that the sandbox
// lives, writes down what becomes of it, starts its command through the guest's agent, keeps that command's output,
// serves the control socket, and ends it all in order.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "machine/machine.h"
#include "sandbox/state.h"
#include "vmm/agent_link.h"
#include "vmm/audience.h"
#include "vmm/command_log.h"
#include "vmm/control_server.h"
#include "vmm/health.h"
#include "vmm/kelpie_door.h"
#include "wire/vmm.h"

namespace cloche {

// Loop thread, all of it.
class Keeper {
 public:
  // `lifetime`, where given, is how long the sandbox may be there. kUnavailable: it has a process already.
  static Result<std::unique_ptr<Keeper>> create(wire::VmSandbox sandbox,
                                                std::optional<std::chrono::milliseconds> lifetime, Log log);
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  // Where the agent's output goes.
  Fd take_agent_output() { return std::move(agent_output_); }
  // Watches over `machine`, which outlives it, from before its run() on. `ready` is called once: when the sandbox can
  // be used, or with the reason why its command could not be started; not where the VM ends before that.
  Result<void> keep(Machine& machine, std::function<void(Result<void>)> ready);
  // Writes down how its VM ended. The pause before it begins again; empty: it does not (keeper_end.cc).
  std::optional<std::chrono::milliseconds> ended(const Result<ExitReport>& report);
  // Waits so long, and executes this process anew with `config`, what it was started with. Returns when the sandbox
  // ends all the same.
  void begin_again(std::chrono::milliseconds pause, wire::VmConfig config);

 private:
  Keeper(wire::VmSandbox sandbox, std::optional<std::chrono::milliseconds> lifetime, Log log, CommandLog output);
  using Connected = std::function<void(std::unique_ptr<AgentLink>&)>;

  Result<std::unique_ptr<AgentLink>> connect(AgentLink::Events events);
  void hear_agent();
  // The first conversation: a ping, then the sandbox's command.
  void greet();
  void take_frame(wire::AgentFrame type, std::span<const std::byte> payload);
  void agent_answered();
  void begin();
  void keep_output(LogStream stream, std::span<const std::byte> bytes);
  void command_ended(std::span<const std::byte> payload);
  void say_ready(Result<void> result);
  // Requests.
  Result<void> obey(wire::ControlFrame type, uint32_t number);
  Result<void> may_connect() const;
  Result<void> may_attach() const;
  Result<void> pause();
  Result<void> resume();
  Result<void> signal(uint32_t number);
  void stop(std::string reason, uint32_t grace_ms);
  void shut_down(uint32_t grace_ms);
  void look_for_idleness();
  void set_status(sandbox::Status status);
  void take_health(const Health::Report& report);
  // Adds to the events of the home.
  void tell(const char* kind, std::map<std::string, std::string> details = {});
  // The last that is written down.
  void finish(sandbox::Status status);
  std::map<std::string, std::string> command_end() const;
  std::string lifetime_is_over() const;

  wire::VmSandbox sandbox_;
  std::optional<std::chrono::milliseconds> lifetime_;
  EventLoop::Clock::time_point began_ = EventLoop::Clock::now();
  std::optional<EventLoop::Clock::time_point> ready_at_;
  Log log_;
  CommandLog output_;
  Fd life_;
  Fd agent_said_, agent_output_;
  Machine* machine_ = nullptr;
  std::function<void(Result<void>)> ready_;
  sandbox::State state_;
  bool command_ended_ = false;
  std::optional<std::string> stop_reason_;
  bool was_killed_ = false;
  bool may_restart_ = false;  // It has been ready, in this life or before, and nobody has told its command to end.
  std::optional<EventLoop::Clock::time_point> idle_since_;
  // Last, so that they go first.
  std::unique_ptr<ControlServer> control_;
  std::unique_ptr<Audience> audience_;
  std::unique_ptr<KelpieDoor> kelpie_;
  std::unique_ptr<AgentLink> first_, last_;
  std::unique_ptr<Health> health_;
};

}  // namespace cloche
