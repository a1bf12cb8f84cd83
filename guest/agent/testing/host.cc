#include "guest/agent/testing/host.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

namespace cloche::agent::testing {

using wire::AgentFrame;

Host::Host() {
  ::signal(SIGPIPE, [](int) {});  // As the agent's main() does.
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  peer_.emplace(Fd(ends[0]));
  server_ = std::thread([end = ends[1]] {
    Groups none({});
    serve(Fd(end), none);
  });
  wire::Welcome welcome;
  EXPECT_TRUE(wire::decode_message(expect(AgentFrame::kWelcome), welcome));
  EXPECT_EQ(welcome.version, wire::kAgentVersion);
}

Host::~Host() { hang_up(); }

void Host::hang_up() {
  peer_.reset();
  if (server_.joinable()) server_.join();
}

void Host::send(const std::vector<std::byte>& frame) { EXPECT_TRUE(peer_->send(frame)); }

Frame Host::receive() {
  auto frame = peer_->receive();
  EXPECT_TRUE(frame && *frame);
  return frame && *frame ? std::move(**frame) : Frame{};
}

std::vector<std::byte> Host::expect(AgentFrame type) {
  Frame frame = receive();
  EXPECT_EQ(static_cast<int>(frame.type), static_cast<int>(type)) << text_of(frame.payload);
  return frame.payload;
}

wire::AgentError Host::expect_error() {
  wire::AgentError error;
  EXPECT_TRUE(wire::decode_message(expect(AgentFrame::kError), error));
  return error;
}

Host::Ran Host::run(const wire::Exec& exec, const std::string& input) {
  Ran ran;
  send(wire::encode(AgentFrame::kExec, exec));
  if (exec.has_input) {
    if (!input.empty()) send(wire::encode_text(AgentFrame::kInput, input));
    send(wire::encode_text(AgentFrame::kInput, {}));
  }
  for (;;) {
    Frame frame = receive();
    if (frame.type == AgentFrame::kOutput) ran.output += text_of(frame.payload);
    if (frame.type == AgentFrame::kErrorOutput) ran.error += text_of(frame.payload);
    if (frame.type == AgentFrame::kError) ADD_FAILURE() << text_of(frame.payload);
    if (frame.type != AgentFrame::kEnded && frame.type != AgentFrame{}) continue;
    EXPECT_TRUE(wire::decode_message(frame.payload, ran.ended));
    return ran;
  }
}

wire::Exec shell(const std::string& script) {
  return {.arguments = {"sh", "-c", script},
          .environment = {"PATH=/usr/bin:/bin", "HOME=/"},
          .working_directory = std::string(1, '/'),
          .uid = ::geteuid(),
          .gid = ::getegid(),
          .limits = {}};
}

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::byte> bytes_of(const std::string& text) {
  auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

}  // namespace cloche::agent::testing
