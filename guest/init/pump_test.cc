#include "guest/init/pump.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>

namespace cloche::init {
namespace {

struct Pair {
  int ours = -1;   // Non-blocking, for the pump.
  int other = -1;  // For the test.
};

Pair socket_pair() {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {ends[0], ends[1]};
}

enum class Pipe { kReadEnd, kWriteEnd };

Pair pipe_pair(Pipe ours) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Pair pair = ours == Pipe::kReadEnd ? Pair{ends[0], ends[1]} : Pair{ends[1], ends[0]};
  ::fcntl(pair.ours, F_SETFL, O_NONBLOCK);
  return pair;
}

// One turn of a loop around the pump; false when nothing happened in the time.
bool turn(Pump& pump, int timeout_ms) {
  pollfd polls[Pump::kPolls];
  pump.want(polls);
  int count = ::poll(polls, Pump::kPolls, timeout_ms);
  pump.move(polls);
  return count > 0;
}

void run(Pump& pump) {
  while (pump.running() && turn(pump, 10'000)) {
  }
}

std::string read_all(int fd) {
  std::string all(1 << 20, '\0');
  size_t size = 0;
  for (ssize_t got; (got = ::read(fd, all.data() + size, all.size() - size)) > 0;) size += static_cast<size_t>(got);
  all.resize(size);
  return all;
}

class PumpTest : public ::testing::Test {
 protected:
  void SetUp() override { ::signal(SIGPIPE, SIG_IGN); }  // As PID 1 is spared it by the kernel.
  std::unique_ptr<Pump> pump_ = std::make_unique<Pump>();
};

TEST_F(PumpTest, OutputComesWholeAndEndsWithAHalfClose) {
  Pair pipe = pipe_pair(Pipe::kReadEnd), socket = socket_pair();
  std::string text(700'000, 'x');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 + i / 251);
  std::string seen;
  std::thread writer([&] {
    EXPECT_EQ(::write(pipe.other, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ::close(pipe.other);
  });
  std::thread reader([&] { seen = read_all(socket.other); });
  pump_->start(pipe.ours, socket.ours, Pump::Sink::kSocket);
  run(*pump_);
  writer.join();
  reader.join();
  EXPECT_TRUE(seen == text);
  EXPECT_FALSE(pump_->running());
  EXPECT_EQ(::send(socket.other, "x", 1, MSG_NOSIGNAL), 1);  // Half closed: our direction is open still.
  ::close(socket.ours);
  ::close(socket.other);
}

TEST_F(PumpTest, ReadsNoMoreThanItCanWrite) {
  Pair pipe = pipe_pair(Pipe::kReadEnd), socket = socket_pair();
  ::fcntl(pipe.other, F_SETFL, O_NONBLOCK);
  pump_->start(pipe.ours, socket.ours, Pump::Sink::kSocket);
  std::string chunk(65536, 'y');
  size_t taken = 0;
  for (int idle = 0; idle < 3;) {
    ssize_t put = ::write(pipe.other, chunk.data(), chunk.size());
    if (put > 0) taken += static_cast<size_t>(put);
    bool moved = turn(*pump_, 20);
    idle = put > 0 || moved ? 0 : idle + 1;
  }
  EXPECT_LT(taken, 2u << 20);  // The socket's buffer, ours, the pipe's; then the writer has to wait.
  ::close(pipe.other);
  std::thread reader([&] { EXPECT_EQ(read_all(socket.other).size(), taken); });
  run(*pump_);
  reader.join();
  ::close(socket.ours);
  ::close(socket.other);
}

TEST_F(PumpTest, ReaderThatIsGoneBreaksTheCommandsPipe) {
  Pair pipe = pipe_pair(Pipe::kReadEnd), socket = socket_pair();
  pump_->start(pipe.ours, socket.ours, Pump::Sink::kSocket);
  EXPECT_FALSE(turn(*pump_, 10));
  ::close(socket.other);
  run(*pump_);
  EXPECT_EQ(::write(pipe.other, "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  ::close(pipe.other);
}

TEST_F(PumpTest, ReaderThatOnlyClosesItsOwnDirectionGoesOnReading) {
  Pair pipe = pipe_pair(Pipe::kReadEnd), socket = socket_pair();
  pump_->start(pipe.ours, socket.ours, Pump::Sink::kSocket);
  ::shutdown(socket.other, SHUT_WR);
  EXPECT_TRUE(turn(*pump_, 1000));
  EXPECT_FALSE(turn(*pump_, 10)) << "the pump spins";
  EXPECT_EQ(::write(pipe.other, "still", 5), 5);
  ::close(pipe.other);
  run(*pump_);
  EXPECT_EQ(read_all(socket.other), "still");
  ::close(socket.ours);
  ::close(socket.other);
}

TEST_F(PumpTest, InputEndsWithTheHostsHalfClose) {
  Pair socket = socket_pair(), pipe = pipe_pair(Pipe::kWriteEnd);
  pump_->start(socket.ours, pipe.ours, Pump::Sink::kPipe);
  EXPECT_EQ(::send(socket.other, "line\n", 5, 0), 5);
  ::shutdown(socket.other, SHUT_WR);
  run(*pump_);
  EXPECT_EQ(read_all(pipe.other), "line\n");
  ::close(pipe.other);
  ::close(socket.other);
}

TEST_F(PumpTest, CommandThatClosesItsInputClosesTheConnection) {
  Pair socket = socket_pair(), pipe = pipe_pair(Pipe::kWriteEnd);
  pump_->start(socket.ours, pipe.ours, Pump::Sink::kPipe);
  ::close(pipe.other);
  run(*pump_);
  EXPECT_FALSE(pump_->running());
  EXPECT_EQ(::send(socket.other, "x", 1, MSG_NOSIGNAL), -1);
  ::close(socket.other);
}

TEST_F(PumpTest, TerminalLearnsOfTheEndByControlD) {
  Pair socket = socket_pair(), sink = socket_pair();
  pump_->start(socket.ours, sink.ours, Pump::Sink::kTerminal);
  EXPECT_EQ(::send(socket.other, "ls\n", 3, 0), 3);
  ::shutdown(socket.other, SHUT_WR);
  run(*pump_);
  EXPECT_EQ(read_all(sink.other), "ls\n\x04");
  ::close(sink.other);
  ::close(socket.other);
}

TEST_F(PumpTest, NotStartedItWantsNothing) {
  pollfd polls[Pump::kPolls];
  pump_->want(polls);
  EXPECT_EQ(polls[0].fd, -1);
  EXPECT_EQ(polls[1].fd, -1);
  pump_->stop();
}

}  // namespace
}  // namespace cloche::init
