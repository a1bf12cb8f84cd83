// Signals that come to a program with threads, and what is left of them afterwards.
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include <future>
#include <thread>

#include "cloche/foreground.h"

namespace cloche {
namespace {

int wait_for(const Signals& signals) {
  pollfd one{signals.fd(), POLLIN, 0};
  ::poll(&one, 1, -1);
  return signals.next().value_or(0);
}

bool is_held_back(int signal) {
  sigset_t now;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &now);
  return ::sigismember(&now, signal) == 1;
}

void* handler_of(int signal) {
  struct sigaction now{};
  ::sigaction(signal, nullptr, &now);
  return reinterpret_cast<void*>(now.sa_handler);
}

TEST(SignalsTest, OneThatAnotherThreadGetsIsHandedOn) {
  std::promise<void> end;
  std::thread other([&] { end.get_future().wait(); });
  {
    Signals signals = Signals::create().value();
    ::pthread_kill(other.native_handle(), SIGTERM);
    EXPECT_EQ(wait_for(signals), SIGTERM);
    ::pthread_kill(::pthread_self(), SIGUSR1);
    EXPECT_EQ(wait_for(signals), SIGUSR1);
    EXPECT_EQ(signals.next(), std::nullopt);
  }
  end.set_value();
  other.join();
}

TEST(SignalsTest, EachThreadThatWaitsGetsEachSignal) {
  std::promise<int> got;
  std::promise<void> ready;
  std::thread other([&] {
    Signals signals = Signals::create().value();
    ready.set_value();
    got.set_value(wait_for(signals));
  });
  ready.get_future().wait();
  std::promise<void> end;
  std::thread third([&] { end.get_future().wait(); });
  {
    Signals signals = Signals::create().value();
    ::pthread_kill(third.native_handle(), SIGINT);
    EXPECT_EQ(wait_for(signals), SIGINT);
    EXPECT_EQ(got.get_future().get(), SIGINT);
    other.join();
  }
  end.set_value();
  third.join();
}

TEST(SignalsTest, AllIsAsItWasAfterwards) {
  ::signal(SIGHUP, SIG_IGN);
  {
    Signals signals = Signals::create().value();
    EXPECT_TRUE(is_held_back(SIGTERM));
    EXPECT_FALSE(is_held_back(SIGHUP));
    EXPECT_EQ(handler_of(SIGHUP), reinterpret_cast<void*>(SIG_IGN));
    Signals moved = std::move(signals);
    EXPECT_TRUE(is_held_back(SIGTERM));
  }
  for (int signal : {SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT}) {
    EXPECT_FALSE(is_held_back(signal)) << signal;
    EXPECT_EQ(handler_of(signal), reinterpret_cast<void*>(SIG_DFL)) << signal;
  }
  ::signal(SIGHUP, SIG_DFL);
}

}  // namespace
}  // namespace cloche
