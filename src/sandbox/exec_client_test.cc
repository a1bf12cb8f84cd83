#include "sandbox/exec_client.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

namespace cloche {
namespace {

using namespace std::chrono_literals;
using sandbox::Clock;
using sandbox::Peer;
using wire::AgentFrame;

void append(std::vector<std::byte>& to, const std::vector<std::byte>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

// An agent that has said all it has to say, and a client of it.
struct Conversation {
  explicit Conversation(const std::vector<std::byte>& said) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    agent = Fd(ends[0]);
    client = Fd(ends[1]);
    EXPECT_EQ(::write(agent.get(), said.data(), said.size()), static_cast<ssize_t>(said.size()));
  }
  Result<std::unique_ptr<ExecClient>> start(ExecConfig config) {
    wire::Exec exec;
    exec.arguments = {"true"};
    return ExecClient::start(Peer(std::move(client)), exec, std::move(config), Clock::now() + 10s);
  }
  Fd agent, client;
};

// A descriptor that is readable: serve() does not wait beside it.
Fd readable() {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  Fd read(ends[0]), write(ends[1]);
  return read;
}

std::vector<std::byte> executed() { return wire::encode_number(AgentFrame::kExecuted, 5); }
std::vector<std::byte> ended(uint32_t code) {
  return wire::encode(AgentFrame::kEnded, wire::ExecEnded{wire::ExitKind::kExited, code, {}, false});
}
std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(ExecClient, AnEndThatComesTogetherWithTheStartIsNotWaitedForAgain) {
  std::string output;
  std::vector<std::byte> said = executed();
  append(said, wire::encode_bytes(AgentFrame::kOutput, bytes("out")));
  append(said, ended(3));
  Conversation conversation(said);
  auto client = conversation.start({.on_output = [&](std::span<const std::byte> more) {
    output.append(reinterpret_cast<const char*>(more.data()), more.size());
  }});
  ASSERT_TRUE(client) << client.error().message();
  Fd now = readable();
  auto outcome = (*client)->serve(now.get());
  ASSERT_TRUE(outcome) << outcome.error().message();
  ASSERT_TRUE(*outcome);
  EXPECT_EQ((*outcome)->status.value, 3);
  EXPECT_EQ(output, "out");
}

TEST(ExecClient, AnEndBeforeAnyStartIsToldAsWell) {
  const wire::ExecEnded missing{wire::ExitKind::kNotFound, 2, "no-such", false};
  Conversation conversation(wire::encode(AgentFrame::kEnded, missing));
  auto client = conversation.start({});
  ASSERT_TRUE(client) << client.error().message();
  auto outcome = (*client)->serve(-1);
  ASSERT_TRUE(outcome && *outcome);
  EXPECT_THAT((*outcome)->text, testing::HasSubstr("no-such"));
}

TEST(ExecClient, AnAgentThatGoesOrSendsWhatItMustNotIsAnError) {
  std::vector<std::byte> taken = executed();
  append(taken, wire::encode_number(AgentFrame::kInputTaken, 1));
  for (const std::vector<std::byte>& said : {executed(), taken}) {
    Conversation conversation(said);
    auto client = conversation.start({});
    ASSERT_TRUE(client) << client.error().message();
    conversation.agent.reset();
    EXPECT_FALSE((*client)->serve(-1));
  }
}

}  // namespace
}  // namespace cloche
