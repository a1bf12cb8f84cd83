// Channel: whole vhost-user messages over a UNIX socket, a conversation of them by a deadline.
//
// The back end is another party: it may send too much, too little, descriptors that nobody asked for, or nothing. Each
// of these is an error (kProtocol, kTimeout, kHost), and none costs more than kMaxReplyBytes of memory.
#pragma once

#include <chrono>
#include <initializer_list>
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
  // How long all of a conversation may take (begin()). A back end answers from memory. Devices wait for it on the VM's
  // loop, so this is also how long one that hangs may hold up the others.
  static constexpr std::chrono::milliseconds kPatience{5000};

  // kInvalidArgument for a path that no socket address can hold; kNotFound or kHost when nobody listens there.
  static Result<Channel> connect(const std::string& path);
  // Takes over a connected stream socket and makes it non-blocking.
  static Result<Channel> adopt(Fd socket, std::chrono::milliseconds patience = kPatience);

  // A new conversation: its patience counts from now on. The first begins when the channel is made.
  void begin() { deadline_ = Clock::now() + patience_; }
  // Sends one message; `fds` stay the caller's. `flags` are added to the version.
  Result<void> send(Request request, std::span<const std::byte> payload, std::span<const int> fds = {},
                    uint32_t flags = 0);
  // The payload of the reply to `request`, which must have one of these sizes.
  Result<std::vector<std::byte>> receive(Request request, std::initializer_list<size_t> sizes);

  void close() { socket_.reset(); }
  int fd() const { return socket_.get(); }  // For watching its hang-up; -1 once closed.

 private:
  using Clock = std::chrono::steady_clock;
  Channel(Fd socket, std::chrono::milliseconds patience) : socket_(std::move(socket)), patience_(patience) { begin(); }

  Result<void> send_all(std::span<const std::byte> bytes, std::span<const int> fds);
  Result<void> receive_all(std::span<std::byte> out);
  Result<void> wait(short events) const;

  Fd socket_;
  std::chrono::milliseconds patience_;
  Clock::time_point deadline_;
};

}  // namespace cloche::vhost_user
