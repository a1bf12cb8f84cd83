// The control socket of a sandbox (wire/control.h): its clients, their requests, their answers. Loop thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/event_loop.h"
#include "wire/control.h"

namespace cloche {

class ControlServer {
 public:
  static constexpr size_t kMostClients = 256;  // Those that wait for the end count; more wait to be accepted.

  struct Requests {
    // An error is what the client is told.
    std::function<Result<void>(wire::ControlFrame type, uint32_t number)> obey{};
    // Takes a client that wants to talk to the agent, once it was told that it can. Before that, `may_connect` says
    // whether it can.
    std::function<Result<void>()> may_connect{};
    std::function<void(Fd client)> connect{};
    // The same for one who wants to be attached to the sandbox's command.
    std::function<Result<void>()> may_attach{};
    std::function<void(Fd client)> attach{};
  };

  // Listens in `run_directory`, which only its owner can enter. `loop` outlives it.
  static Result<std::unique_ptr<ControlServer>> create(EventLoop& loop, const std::string& run_directory,
                                                       Requests requests);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  struct Client {
    Fd socket;
    std::vector<std::byte> received;           // Of one frame,
    size_t wanted = wire::FrameHeader::kSize;  // of which so much is known to come.
  };
  ControlServer(EventLoop& loop, Requests requests) : loop_(loop), requests_(std::move(requests)) {}
  void accept();
  void hear(int client);
  Result<void> obey(const Client& client, const wire::FrameHeader& header);
  void hand_over(int client, wire::ControlFrame type);
  void drop(int client);

  EventLoop& loop_;
  Requests requests_;
  Fd listener_;
  std::unordered_map<int, Client> clients_;
};

}  // namespace cloche
