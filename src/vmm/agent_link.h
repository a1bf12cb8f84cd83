// A conversation of the VM's process itself with the guest's agent (wire/agent.h), on the loop. The guest is hostile:
// what is no frame of a sensible size ends the conversation.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/event_loop.h"
#include "wire/agent.h"

namespace cloche {

class AgentLink {
 public:
  static constexpr uint32_t kMostPayload = 1 << 20;

  struct Events {
    std::function<void(wire::AgentFrame type, std::span<const std::byte> payload)> frame;
    // Once, the last event: the connection is gone. None of the two may destroy the link.
    std::function<void()> closed;
  };

  // `socket` leads to the agent. `loop` outlives it.
  static Result<std::unique_ptr<AgentLink>> create(EventLoop& loop, Fd socket, Events events);
  ~AgentLink();
  AgentLink(const AgentLink&) = delete;
  AgentLink& operator=(const AgentLink&) = delete;

  // What the agent does not take yet waits here: its caller sees to it that it is little.
  void send(std::span<const std::byte> frame);
  size_t unsent() const { return unsent_.size(); }

 private:
  AgentLink(EventLoop& loop, Fd socket, Events events)
      : loop_(loop), socket_(std::move(socket)), events_(std::move(events)) {}
  void on_event(uint32_t events);
  bool receive();
  bool take_frames();
  void flush();
  void close();

  EventLoop& loop_;
  Fd socket_;
  Events events_;
  std::vector<std::byte> received_;
  std::vector<std::byte> unsent_;
};

}  // namespace cloche
