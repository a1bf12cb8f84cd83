// A conversation with the guest's agent about files and the like (wire/agent.h), as one who asks: each step has a
// deadline, and what the agent says is held against what was asked.
#pragma once

#include <functional>
#include <string>

#include "sandbox/control_client.h"
#include "sandbox/peer.h"

namespace cloche::sandbox {

class Conversation {
 public:
  using Sink = std::function<Result<void>(std::span<const std::byte>)>;

  // Each step from then on may take as long as `patience`.
  static Result<Conversation> open(const std::string& run_directory, std::chrono::milliseconds patience);
  // All of it has to be over at `deadline`.
  static Result<Conversation> open(const std::string& run_directory, Clock::time_point deadline);
  // The same with an agent that is greeted already.
  Conversation(Peer peer, std::chrono::milliseconds patience) : peer_(std::move(peer)), patience_(patience) {}
  Conversation(Peer peer, Clock::time_point deadline) : peer_(std::move(peer)), end_(deadline) {}

  Result<void> send(std::span<const std::byte> frame);
  Result<void> send_data(std::span<const std::byte> bytes);
  Result<Frame> receive();
  // Whether the agent has a word for us already, which in the middle of data can only be an error.
  Result<bool> was_interrupted();

  // The answer that is a frame of `type` with such a message.
  template <typename Message>
  Result<Message> take(wire::AgentFrame type) {
    Frame frame = TRY(receive());
    Message message;
    if (frame.type != type || !wire::decode_message(frame.payload, message)) return std::unexpected(error_of(frame));
    return message;
  }
  // The end of a request.
  Result<void> take_done();
  // Data of the guest until its end; an error of the agent's before that.
  Result<void> take_data(const Sink& sink);
  Result<bool> is_directory(const std::string& path);

 private:
  Clock::time_point deadline() const { return end_.value_or(Clock::now() + patience_); }
  static Error error_of(const Frame& frame);

  Peer peer_;
  std::chrono::milliseconds patience_{};
  std::optional<Clock::time_point> end_;
};

}  // namespace cloche::sandbox
