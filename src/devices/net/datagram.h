// A UNIX datagram socket, a frame per datagram: what gvproxy and vfkit speak.
#pragma once

#include <string>

#include "base/fd.h"
#include "devices/net/back_end.h"

namespace cloche::net {

// Whether the peer waits for vfkit's greeting before it answers.
enum class Greeting : uint8_t { kNone, kVfkit };

class Datagram final : public BackEnd {
 public:
  explicit Datagram(Fd socket) : socket_(std::move(socket)) {}
  // Bound to `own_path`, for the peer answers to where a frame came from. The path is the caller's to remove.
  static Result<Datagram> connect(const std::string& path, const std::string& own_path, Greeting greeting);

  int fd() const override { return socket_.get(); }
  Received receive(std::span<std::byte> to) override;
  Moved send(std::span<const std::byte> packet) override;
  // What gvproxy's library sends first.
  static Result<void> greet(int socket);

 private:
  Fd socket_;
};

// So much may be on its way to the peer: without, one large frame fills a socket.
void grow_buffers(int socket);

}  // namespace cloche::net
