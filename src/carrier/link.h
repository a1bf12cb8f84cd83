// One end of a connection that carries messages: non-blocking, buffered on both sides. Used by cloche and by the agent.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/fd.h"
#include "carrier/protocol.h"

namespace cloche::carrier {

struct Message {
  Header header;
  std::span<const std::byte> payload;  // Valid until the next fill().
};

class Link {
 public:
  // Takes a connected socket and makes it non-blocking. Until trust(), a message may have kMaxStrangerPayload bytes.
  static Result<Link> create(Fd socket);

  int fd() const { return socket_.get(); }
  void trust() { max_payload_ = kMaxPayload; }

  // Appends a message to what is to be sent; flush() sends it.
  void send(MessageType type, std::span<const std::byte> payload = {}, Stream stream = Stream::kStdin);
  size_t unsent() const { return out_.size() - out_done_; }
  // Sends as much as the socket takes now.
  Result<void> flush();
  // Waits until everything is sent. For the last words only: it reads nothing meanwhile.
  Result<void> flush_all();

  // Reads what the socket has now; false when the peer has closed.
  Result<bool> fill();
  // The next whole message of what has been read; none: fill() first. kProtocol when the peer sends nonsense.
  Result<std::optional<Message>> next();

  // Says that nothing more will be sent, then reads until the peer closes: closing earlier, with something unread,
  // would make TCP drop what the peer has not read yet.
  void finish();

 private:
  explicit Link(Fd socket) : socket_(std::move(socket)) {}
  Fd socket_;
  uint32_t max_payload_ = kMaxStrangerPayload;
  std::vector<std::byte> in_;
  size_t in_done_ = 0;
  std::vector<std::byte> out_;
  size_t out_done_ = 0;
};

}  // namespace cloche::carrier
