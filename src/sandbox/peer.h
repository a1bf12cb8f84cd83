// The other end of a conversation between host and agent (wire/agent.h): frames in, frames out. Both use this.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/fd.h"
#include "wire/agent.h"

namespace cloche::sandbox {

struct Frame {
  wire::AgentFrame type{};
  std::vector<std::byte> payload;
  const char* wrong = nullptr;  // What is wrong with its header. Its payload was passed over.
};

// Buffers both ways without blocking; send() and receive() wait. Errors are those of the connection: kProtocol does not
// occur, as what is wrong with a frame is the frame's matter.
class Peer {
 public:
  // `most_payload` is the largest frame that is taken.
  explicit Peer(Fd socket, uint32_t most_payload = wire::kMaxFrameBytes);

  int fd() const { return socket_.get(); }

  // Waits for a whole frame; none when the other end has closed.
  Result<std::optional<Frame>> receive();
  // Waits until everything is sent.
  Result<void> send(std::span<const std::byte> frame);
  Result<void> send_error(int sys_errno, std::string what);

  // For loops of one's own. Reads what is there; false when the other end has closed its direction.
  Result<bool> fill();
  // The next whole frame of what was read.
  std::optional<Frame> next();
  // Takes a frame to be sent by flush(), which sends what the connection takes now.
  void queue(std::span<const std::byte> frame);
  Result<void> flush();
  void close() { socket_.reset(); }
  size_t unsent() const { return out_.size() - out_done_; }

 private:
  Fd socket_;
  uint32_t most_payload_;
  std::vector<std::byte> in_;
  size_t in_done_ = 0;
  uint64_t skip_ = 0;  // Payload still to be passed over.
  const char* wrong_ = nullptr;
  wire::AgentFrame wrong_type_{};
  std::vector<std::byte> out_;
  size_t out_done_ = 0;
};

}  // namespace cloche::sandbox
