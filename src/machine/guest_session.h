// GuestSession: the host's half of the conversation with cloche-init (wire/guest.h) on the control connection.
//
// The guest is hostile: a frame that is too long, of an unknown type or out of turn ends the conversation, never the
// VMM.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/event_loop.h"
#include "base/log.h"
#include "wire/guest.h"

namespace cloche {

class GuestSession {
 public:
  struct Events {
    std::function<void(const wire::Hello&)> hello;    // Answer with start().
    std::function<void(const wire::Exited&)> exited;  // At most once.
    std::function<void(std::string reason)>
        broken;  // The guest left the protocol, or the connection ended before Exited.
  };
  // Loop thread, all of it.
  GuestSession(EventLoop& loop, Log log, Events events)
      : loop_(loop), log_(std::move(log)), events_(std::move(events)) {}
  ~GuestSession();
  GuestSession(const GuestSession&) = delete;
  GuestSession& operator=(const GuestSession&) = delete;

  // The guest's connection to kControlPort: our end of a socketpair. Only the first is taken; later ones are an error
  // for the guest.
  Result<void> adopt(Fd socket);

  void start(const wire::Start& start) { send(wire::encode(start)); }
  void signal(uint32_t number) { send(wire::encode_signal(number)); }
  void resize(uint16_t rows, uint16_t columns) { send(wire::encode_resize(rows, columns)); }

 private:
  static constexpr size_t kMaxUnsent = 32 << 20;  // A Start at its largest, and signals for a guest that does not read.
  void send(std::vector<std::byte> frame);
  void flush();
  void readable();
  void take_frames();
  void frame(const wire::FrameHeader& header, std::span<const std::byte> payload);
  void give_up(std::string reason);

  EventLoop& loop_;
  Log log_;
  Events events_;
  Fd socket_;
  bool adopted_ = false;
  bool greeted_ = false;
  bool ended_ = false;
  std::vector<std::byte> received_;
  std::vector<std::byte> unsent_;
};

}  // namespace cloche
