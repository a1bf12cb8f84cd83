// Keeper: what the process of a sandbox does besides running its VM. It holds the lock that tells that the sandbox
// lives, writes down what becomes of it, starts its command through the guest's agent, keeps that command's output,
// serves the control socket, and ends it all in order.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "machine/machine.h"
#include "sandbox/state.h"
#include "vmm/agent_link.h"
#include "vmm/command_log.h"
#include "vmm/control_server.h"
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
  // Writes down how it ended.
  void ended(const Result<ExitReport>& report);

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
  Result<void> pause();
  Result<void> resume();
  Result<void> signal(uint32_t number);
  void stop(std::string reason, uint32_t grace_ms);
  void shut_down(uint32_t grace_ms);
  void look_for_idleness();
  void set_status(sandbox::Status status);

  wire::VmSandbox sandbox_;
  std::optional<std::chrono::milliseconds> lifetime_;
  Log log_;
  CommandLog output_;
  Fd life_;
  Fd agent_said_, agent_output_;
  Machine* machine_ = nullptr;
  std::function<void(Result<void>)> ready_;
  sandbox::State state_;
  bool command_ended_ = false;
  std::optional<std::string> stop_reason_;
  std::optional<EventLoop::Clock::time_point> idle_since_;
  // Last, so that they go first.
  std::unique_ptr<ControlServer> control_;
  std::unique_ptr<KelpieDoor> kelpie_;
  std::unique_ptr<AgentLink> first_, last_;
};

}  // namespace cloche
