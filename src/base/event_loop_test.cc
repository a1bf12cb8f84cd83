#include "base/event_loop.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <functional>
#include <thread>

namespace cloche {
namespace {

TEST(EventLoop, CallsBackWhenReadable) {
  auto loop = EventLoop::create().value();
  auto event = EventFd::create().value();
  int calls = 0;
  ASSERT_TRUE(loop->watch(event.fd(), EPOLLIN, [&](uint32_t) {
    event.drain();
    if (++calls == 2)
      loop->stop();
    else
      event.signal();
  }));
  event.signal();
  ASSERT_TRUE(loop->run());
  EXPECT_EQ(calls, 2);
}

TEST(EventLoop, UnwatchInsideABatchSilencesTheOther) {
  auto loop = EventLoop::create().value();
  auto first = EventFd::create().value();
  auto second = EventFd::create().value();
  int calls = 0;
  auto serve = [&](uint32_t) {
    ++calls;
    loop->unwatch(first.fd());
    loop->unwatch(second.fd());
    loop->post([&] { loop->stop(); });
  };
  ASSERT_TRUE(loop->watch(first.fd(), EPOLLIN, serve));
  ASSERT_TRUE(loop->watch(second.fd(), EPOLLIN, serve));
  first.signal();
  second.signal();
  ASSERT_TRUE(loop->run());
  EXPECT_EQ(calls, 1);
}

TEST(EventLoop, CallFromAnotherThreadRunsOnTheLoop) {
  auto loop = EventLoop::create().value();
  std::thread::id seen;
  std::thread other([&] {
    loop->post([] {});
    loop->call([&] { seen = std::this_thread::get_id(); });
    loop->stop();
  });
  loop->at(EventLoop::Clock::now() + std::chrono::seconds(20), [&] { loop->stop(); });
  ASSERT_TRUE(loop->run());
  other.join();
  EXPECT_NE(seen, std::thread::id());
}

TEST(EventLoop, StopsThoughWorkPostsItselfAnew) {
  auto loop = EventLoop::create().value();
  int rounds = 0;
  std::function<void()> again = [&] {
    if (++rounds == 3) loop->stop();
    if (rounds < 100'000) loop->post(again);
  };
  loop->post(again);
  ASSERT_TRUE(loop->run());
  EXPECT_LT(rounds, 10);
}

TEST(EventLoop, ATimerThatSetsItselfAnewLeavesOthersTheirTurn) {
  auto loop = EventLoop::create().value();
  auto event = EventFd::create().value();
  event.signal();
  int turns = 0;
  bool served = false;
  ASSERT_TRUE(loop->watch(event.fd(), EPOLLIN, [&](uint32_t) {
    served = true;
    loop->stop();
  }));
  std::function<void()> again = [&] {
    if (++turns == 10'000) loop->stop();
    if (turns < 10'000) loop->at(EventLoop::Clock::now(), again);
  };
  loop->at(EventLoop::Clock::now(), again);
  ASSERT_TRUE(loop->run());
  EXPECT_TRUE(served);
  EXPECT_LT(turns, 100);
}

TEST(EventLoop, TimersFireInOrderAndCancel) {
  auto loop = EventLoop::create().value();
  std::vector<int> order;
  auto now = EventLoop::Clock::now();
  loop->at(now + std::chrono::milliseconds(20), [&] {
    order.push_back(2);
    loop->stop();
  });
  loop->at(now + std::chrono::milliseconds(5), [&] { order.push_back(1); });
  auto never = loop->at(now + std::chrono::milliseconds(1), [&] { order.push_back(9); });
  loop->cancel(never);
  ASSERT_TRUE(loop->run());
  EXPECT_EQ(order, (std::vector{1, 2}));
}

}  // namespace
}  // namespace cloche
