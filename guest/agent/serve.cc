#include "guest/agent/serve.h"

#include <time.h>

#include "guest/agent/exec.h"
#include "guest/agent/files.h"
#include "guest/agent/kelpie.h"
#include "guest/agent/statistics.h"
#include "guest/agent/system.h"
#include "guest/agent/tree.h"
#include "sandbox/peer.h"

namespace cloche::agent {
namespace {

using wire::AgentFrame;

Result<void> answer(Peer& peer, const Result<void>& result) {
  if (!result) return peer.send_error(result.error().sys_errno, result.error().what);
  return peer.send(wire::encode_bytes(AgentFrame::kDone, {}));
}

Result<void> refuse(Peer& peer, const char* what) { return peer.send_error(EPROTO, what); }

// Serves a request whose payload is a Message with `act`.
template <typename Message, typename Act>
Result<void> with(Peer& peer, const Frame& frame, Act act) {
  Message message;
  if (!wire::decode_message(frame.payload, message)) return refuse(peer, "a damaged request");
  return act(message);
}

template <typename Message>
Result<void> done(Peer& peer, const Frame& frame, Result<void> (*act)(const Message&)) {
  return with<Message>(peer, frame, [&](const Message& message) { return answer(peer, act(message)); });
}

template <typename Message>
Result<void> streamed(Peer& peer, const Frame& frame, Result<void> (*act)(Peer&, const Message&)) {
  return with<Message>(peer, frame, [&](const Message& message) { return act(peer, message); });
}

std::string text_of(const Frame& frame) {
  return {reinterpret_cast<const char*>(frame.payload.data()), frame.payload.size()};
}

Result<void> tell_statistics(Peer& peer) {
  auto statistics = gather_statistics();
  if (!statistics) return answer(peer, std::unexpected(statistics.error()));
  return peer.send(wire::encode(AgentFrame::kStatisticsAre, *statistics));
}

Result<void> take_clock(Peer& peer, const Frame& frame) {
  uint64_t realtime_ns = 0;
  if (!wire::decode_number(frame.payload, realtime_ns)) return refuse(peer, "a damaged request");
  return answer(peer, set_clock(realtime_ns));
}

Result<void> serve_request(Peer& peer, const Frame& frame, Groups& groups) {
  if (frame.wrong != nullptr) return refuse(peer, frame.wrong);
  switch (frame.type) {
    case AgentFrame::kPing:
      return peer.send(wire::encode_bytes(AgentFrame::kPong, frame.payload));
    case AgentFrame::kExec:
      return with<wire::Exec>(peer, frame, [&](const wire::Exec& exec) { return serve_exec(peer, exec, groups); });
    case AgentFrame::kInput:
    case AgentFrame::kSignal:
    case AgentFrame::kResize:
      return {};  // For a command that has just ended.
    case AgentFrame::kReadFile:
      return streamed(peer, frame, read_file);
    case AgentFrame::kWriteFile:
      return streamed(peer, frame, write_file);
    case AgentFrame::kPack:
      return streamed(peer, frame, pack_tree);
    case AgentFrame::kUnpack:
      return streamed(peer, frame, unpack_tree);
    case AgentFrame::kStatus:
      return tell_status(peer, text_of(frame));
    case AgentFrame::kList:
      return list_directory(peer, text_of(frame));
    case AgentFrame::kMakeDirectory:
      return done(peer, frame, make_directory);
    case AgentFrame::kMove:
      return done(peer, frame, move);
    case AgentFrame::kRemove:
      return done(peer, frame, remove);
    case AgentFrame::kStatistics:
      return tell_statistics(peer);
    case AgentFrame::kMount:
      return done(peer, frame, mount_share);
    case AgentFrame::kSetClock:
      return take_clock(peer, frame);
    case AgentFrame::kReseed:
      return answer(peer, reseed(frame.payload));
    case AgentFrame::kKelpieListen:
    case AgentFrame::kKelpieConnect:
      return with<wire::Exec>(peer, frame, [&](const wire::Exec& defaults) {
        KelpieSide side = frame.type == AgentFrame::kKelpieListen ? KelpieSide::kListen : KelpieSide::kConnect;
        return answer(peer, begin_kelpie(peer, side, defaults, groups.top()));
      });
    default:
      return refuse(peer, "a request of an unknown type");
  }
}

// Whether the guest is to end now.
Result<bool> serve_shut_down(Peer& peer, const Frame& frame) {
  uint32_t grace_ms = 0;
  if (!wire::decode_number(frame.payload, grace_ms)) {
    TRY(refuse(peer, "a damaged request"));
    return false;
  }
  Result<void> ended = end_processes(std::chrono::milliseconds(grace_ms));
  TRY(answer(peer, ended));
  return ended.has_value();
}

Result<Served> serve_all(Peer& peer, Groups& groups) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  wire::Welcome welcome;
  welcome.uptime_ns = static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  TRY(peer.send(wire::encode(AgentFrame::kWelcome, welcome)));
  while (auto frame = TRY(peer.receive())) {
    if (frame->type != AgentFrame::kShutDown || frame->wrong != nullptr) {
      TRY(serve_request(peer, *frame, groups));
      continue;
    }
    if (TRY(serve_shut_down(peer, *frame))) return Served::kGuest;
  }
  return Served::kConnection;
}

}  // namespace

Served serve(Fd connection, Groups& groups) {
  Peer peer(std::move(connection));
  return serve_all(peer, groups).value_or(Served::kConnection);  // A connection that broke is one that was closed.
}

}  // namespace cloche::agent
