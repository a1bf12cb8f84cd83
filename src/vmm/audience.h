// Those who are attached to the sandbox's command (kAttach of wire/control.h): each hears what it writes from then on,
// and each may type into it. Loop thread.
//
// Nobody waits for anybody. Output that a client does not take waits here up to kMostUnsent, once for all clients; who
// falls further behind is told so and cut off, as the log has it all. What a client has typed waits here, kInputWindow
// of each at most, until the command takes more.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/event_loop.h"
#include "sandbox/peer.h"
#include "wire/agent.h"

namespace cloche {

class Audience {
 public:
  static constexpr size_t kMostClients = 32;
  static constexpr size_t kMostUnsent = 1 << 20;  // Of one client, and the frame with which it is full.

  // The command's own conversation with the agent.
  struct Command {
    bool has_input = false;
    std::function<void(std::span<const std::byte> frame)> send{};
    std::function<size_t()> unsent{};  // Bytes of what was sent that the agent has not taken.
  };
  // `loop` outlives it.
  Audience(EventLoop& loop, Command command) : loop_(loop), command_(std::move(command)) {}
  ~Audience();
  Audience(const Audience&) = delete;
  Audience& operator=(const Audience&) = delete;

  Result<void> may_join() const;
  void join(Fd client);
  size_t size() const { return clients_.size(); }
  // What the agent says of the command. The guest is hostile: what is no news to clients, or makes no sense, is passed
  // over.
  void hear(wire::AgentFrame type, std::span<const std::byte> payload);
  // When the loop has ended: waits until clients have taken what is left for them, or for `deadline`.
  void finish(EventLoop::Clock::time_point deadline);

 private:
  using Words = std::shared_ptr<const std::vector<std::byte>>;  // A frame, the same one for all clients.
  struct Client {
    sandbox::Peer peer;          // For what it says.
    std::deque<Words> unsent{};  // For what it is told,
    size_t unsent_bytes = 0;
    size_t sent = 0;                 // of whose first so much is gone.
    std::vector<std::byte> typed{};  // What the command has not taken yet.
    bool ends_input = false;         // Behind that.
    bool is_cut_off = false;         // It is told no more than what is in `unsent`.
  };

  void on_event(int number, uint32_t events);
  bool listen(Client& client);
  bool obey(Client& client, const sandbox::Frame& frame);
  bool take_input(Client& client, std::span<const std::byte> bytes);
  bool speak(std::span<const std::byte> frame);
  void pass_input();
  void take_credit(std::span<const std::byte> payload);
  void tell(Client& client, Words words);
  void tell_all(wire::AgentFrame type, std::span<const std::byte> payload);
  void cut_off(Client& client);
  bool flush(Client& client);
  void leave(int number);

  EventLoop& loop_;
  Command command_;
  std::unordered_map<int, Client> clients_;
  uint32_t window_ = wire::kInputWindow;  // Bytes of input that the agent may be sent now.
  bool input_ended_ = false;
  bool ended_ = false;
};

}  // namespace cloche
