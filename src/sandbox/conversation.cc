#include "sandbox/conversation.h"

#include <poll.h>

#include "base/printable.h"
#include "sandbox/exec_client.h"

namespace cloche::sandbox {

using wire::AgentFrame;

Result<Conversation> Conversation::open(const std::string& run_directory, std::chrono::milliseconds patience) {
  return Conversation(TRY(greet_agent(run_directory, Clock::now() + patience)), patience);
}

Result<Conversation> Conversation::open(const std::string& run_directory, Clock::time_point deadline) {
  return Conversation(TRY(greet_agent(run_directory, deadline)), deadline);
}

Result<void> Conversation::send(std::span<const std::byte> frame) { return sandbox::send(peer_, frame, deadline()); }

Result<void> Conversation::send_data(std::span<const std::byte> bytes) {
  return send(wire::encode_bytes(AgentFrame::kData, bytes));
}

Result<Frame> Conversation::receive() {
  // A guest that always has another word would be listened to for ever.
  if (end_ && Clock::now() >= *end_) return fail(ErrorCode::kTimeout, "the guest's agent is not done in time");
  return sandbox::receive(peer_, deadline());
}

Result<bool> Conversation::was_interrupted() { return wait_for(peer_.fd(), POLLIN, Clock::now()); }

Result<void> Conversation::take_done() {
  Frame frame = TRY(receive());
  if (frame.type == AgentFrame::kDone) return {};
  return std::unexpected(error_of(frame));
}

Result<void> Conversation::take_data(const Sink& sink) {
  for (;;) {
    Frame frame = TRY(receive());
    if (frame.type != AgentFrame::kData) return std::unexpected(error_of(frame));
    if (frame.payload.empty()) return {};
    TRY(sink(frame.payload));
  }
}

Result<bool> Conversation::is_directory(const std::string& path) {
  TRY(send(wire::encode_text(AgentFrame::kStatus, path + "/.")));
  Frame frame = TRY(receive());
  if (frame.type == AgentFrame::kStatusIs) return true;
  Error error = error_of(frame);
  if (error.sys_errno == ENOENT || error.sys_errno == ENOTDIR) return false;
  return std::unexpected(std::move(error));
}

Error Conversation::error_of(const Frame& frame) {
  wire::AgentError error;
  if (frame.type != AgentFrame::kError || !wire::decode_message(frame.payload, error))
    return {ErrorCode::kGuest, 0, "the guest's agent sent what it must not"};
  int number = error.sys_errno & 0xfff;
  ErrorCode code = ErrorCode::kGuest;
  if (number == ENOENT) code = ErrorCode::kNotFound;
  if (number == EACCES || number == EPERM) code = ErrorCode::kPermission;
  return {code, number, "in the guest: " + printable(error.what)};
}

}  // namespace cloche::sandbox
