// KelpieDoor: the UNIX socket of the host that leads to kelpie's vsock port of the guest, in either direction. Loop
// thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "wire/vmm.h"

namespace cloche {

class KelpieDoor {
 public:
  struct Guest {
    using Done = std::function<void(Result<void>)>;
    // Leads a socket to the port; `done` is called once, later. After an error the socket is closed.
    std::function<void(Fd socket, Done done)> connect{};
    // Whether there is a guest to be led to now.
    std::function<bool()> may_connect{};
  };

  // Takes the socket's place in the file system, where we are to listen. Nobody can connect yet.
  static Result<std::unique_ptr<KelpieDoor>> create(wire::VmSandbox& sandbox);
  ~KelpieDoor();
  KelpieDoor(const KelpieDoor&) = delete;
  KelpieDoor& operator=(const KelpieDoor&) = delete;

  // `loop` outlives it.
  void attach(EventLoop& loop, Guest guest);
  // The guest has connected to the port: the host's end for it.
  Result<Fd> answer() const;

  // What makes the agent serve the port, once; empty where it is not to, or was asked before.
  std::vector<std::byte> take_request(const wire::Exec& defaults);
  // It was asked and has not answered yet.
  bool waits_for_agent() const { return asked_ && !served_; }
  // The agent serves it. False where it was not asked, or has said so before.
  bool agent_serves();
  // The command that serves it has begun: as soon as it listens, so do we.
  void command_began();

 private:
  explicit KelpieDoor(wire::VmKelpie config) : config_(std::move(config)) {}
  bool by_agent() const { return !config_.by_command; }
  void look_for_listener();
  Result<void> listen();
  void accept();

  wire::VmKelpie config_;
  EventLoop* loop_ = nullptr;
  Guest guest_;
  Fd listener_;
  bool asked_ = false, served_ = false, listening_ = false;
  unsigned looks_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // For what is called later.
};

}  // namespace cloche
