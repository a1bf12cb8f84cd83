// Channel: whole vhost-user messages over a UNIX socket, each by a deadline.
//
// The back end is another party: it may send too much, too little, descriptors that nobody asked for, or nothing. Each
// of these is an error (kProtocol, kTimeout, kHost), and none costs more than kMaxReplyBytes of memory.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "devices/vhost_user/message.h"

namespace cloche::vhost_user {

// Any one thread. After an error the stream may be out of step: the channel is closed then and every later call fails.
class Channel {
 public:
  // The largest reply there is: all of config space.
  static constexpr size_t kMaxReplyBytes = sizeof(ConfigHeader) + kMaxConfigBytes;
  // A back end answers from memory. Devices wait for it on the VM's loop, so this is also how long one that hangs may
  // hold up the others.
  static constexpr std::chrono::milliseconds kPatience{2000};

  // kInvalidArgument for a path that no socket address can hold; kNotFound or kHost when nobody listens there.
  static Result<Channel> connect(const std::string& path);
  // Takes over a connected stream socket and makes it non-blocking.
  static Result<Channel> adopt(Fd socket, std::chrono::milliseconds patience = kPatience);

  // Sends one message; `fds` stay the caller's. `flags` are added to the version.
  Result<void> send(Request request, std::span<const std::byte> payload, std::span<const int> fds = {},
                    uint32_t flags = 0);
  // The payload of the reply to `request`, which must be `size` bytes long.
  Result<std::vector<std::byte>> receive(Request request, size_t size);

  int fd() const { return socket_.get(); }  // For watching its hang-up; -1 once closed.

 private:
  using Clock = std::chrono::steady_clock;
  Channel(Fd socket, std::chrono::milliseconds patience) : socket_(std::move(socket)), patience_(patience) {}

  Result<void> send_by(Clock::time_point deadline, std::span<const std::byte> bytes, std::span<const int> fds);
  Result<void> receive_by(Clock::time_point deadline, std::span<std::byte> out);
  Result<void> wait(short events, Clock::time_point deadline);

  Fd socket_;
  std::chrono::milliseconds patience_;
};

}  // namespace cloche::vhost_user
