#include "carrier/session.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

namespace cloche::carrier {
namespace {

using std::chrono::milliseconds;

Link link_to(Fd& peer) {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  peer = Fd(ends[1]);
  return Link::create(Fd(ends[0])).value();
}

struct Caller {
  Terminal terminal{-1};
  PassedSignals signals = PassedSignals::create().value();
  Fd peer;
  Session session;
  Request request;
  explicit Caller(milliseconds silence) : session(link_to(peer), terminal, signals, silence) {
    request.arguments = {"true"};
  }
};

// The next message that an agent gets on its end.
Message receive(Link& link) {
  for (;;) {
    auto message = link.next().value();
    if (message) return *message;
    ::usleep(1000);
    EXPECT_TRUE(link.fill().value());
  }
}

TEST(Session, AMachineThatDoesNotAnswerIsGivenUp) {
  Caller caller(milliseconds(20));
  auto result = caller.session.run(caller.request);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kTimeout);
  EXPECT_NE(result.error().what.find("does not answer"), std::string::npos);
  EXPECT_FALSE(caller.session.accepted());
}

TEST(Session, ASilentCommandMayTakeItsTimeAsLongAsTheMachineAnswers) {
  Caller caller(milliseconds(250));  // Long enough for a busy host: six of them without an answer would fail.
  std::thread agent([peer = std::move(caller.peer)]() mutable {
    Link link = Link::create(std::move(peer)).value();
    link.trust();
    EXPECT_EQ(receive(link).header.type, MessageType::kRequest);
    link.send(MessageType::kAccepted);
    for (int i = 0; i < Session::kMostUnanswered + 2; ++i) {
      EXPECT_EQ(receive(link).header.type, MessageType::kPing);
      link.send(MessageType::kPong);
      EXPECT_TRUE(link.flush_all().has_value());
    }
    link.send(MessageType::kExited, encode(Exited{.value = 7, .what = {}}));
    EXPECT_TRUE(link.flush_all().has_value());
  });
  auto result = caller.session.run(caller.request);
  agent.join();
  ASSERT_TRUE(result.has_value()) << result.error().what;
  EXPECT_EQ(result->value, 7);
}

}  // namespace
}  // namespace cloche::carrier
