#include "guest/agent/data.h"

namespace cloche::agent {

using wire::AgentFrame;

Result<Result<void>> take_data(Peer& peer, const std::function<Result<void>(std::span<const std::byte>)>& take) {
  Result<void> result;
  for (;;) {
    auto frame = TRY(peer.receive());
    if (!frame) return fail(ErrorCode::kHost, "read from the host", ECONNRESET);
    if (frame->wrong != nullptr || frame->type != AgentFrame::kData)
      return fail(ErrorCode::kProtocol, "something else than the data that was announced", EPROTO);
    if (frame->payload.empty()) return result;
    if (!result) continue;
    result = take(frame->payload);
    if (!result) TRY(peer.send_error(result.error().sys_errno, result.error().what));
  }
}

}  // namespace cloche::agent
