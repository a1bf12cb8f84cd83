#include "devices/vsock/host_stream.h"

#include <pty.h>
#include <sys/eventfd.h>
#include <termios.h>

#include <chrono>
#include <thread>

#include "devices/vsock/testing/fake_guest.h"

namespace cloche::vsock {
namespace {

int status_flags(const Fd& fd) { return ::fcntl(fd.get(), F_GETFL); }

Fd temporary_file(std::string_view contents = {}) {
  Fd file(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  EXPECT_TRUE(file);
  EXPECT_EQ(::pwrite(file.get(), contents.data(), contents.size(), 0), static_cast<ssize_t>(contents.size()));
  return file;
}

TEST_F(VsockTest, ReadsARegularFile) {
  Bytes data = random_bytes(500'000, 20);
  Fd file = temporary_file({reinterpret_cast<const char*>(data.data()), data.size()});
  auto& stream = connect({.input = std::move(file), .output = {}});
  guest_.settle();
  EXPECT_EQ(stream.received, data);
  EXPECT_NE(stream.host_shutdown & kShutdownSend, 0u);
}

TEST_F(VsockTest, WritesARegularFile) {
  Fd file = temporary_file();
  auto& stream = connect({.input = {}, .output = file.duplicate().value()});
  Bytes data = random_bytes(500'000, 21);
  size_t sent = 0;
  while (sent < data.size()) {
    sent += guest_.write(stream, std::span(data).subspan(sent));
    guest_.settle();
  }
  EXPECT_TRUE(vsock_.drained());
  Bytes got(data.size());
  ::lseek(file.get(), 0, SEEK_SET);
  EXPECT_EQ(read_full(file.get(), got).value(), got.size());
  EXPECT_EQ(got, data);
}

TEST_F(VsockTest, ReadsAndWritesDevNull) {
  auto& stream =
      connect({.input = open_file("/dev/null", O_RDONLY).value(), .output = open_file("/dev/null", O_WRONLY).value()});
  EXPECT_EQ(stream.host_shutdown, kShutdownSend);
  Bytes data(2'000'000);
  size_t sent = 0;
  while (sent < data.size()) {
    size_t put = guest_.write(stream, std::span(data).subspan(sent));
    ASSERT_GT(put, 0u);
    sent += put;
    guest_.settle();
  }
}

TEST_F(VsockTest, ABrokenPipeIsToldToTheGuest) {
  Ends input = make_pipe(), output = make_pipe();
  auto& stream = connect({.input = std::move(input.one), .output = std::move(output.other)});
  output.one.reset();
  Bytes data(400'000);
  guest_.write(stream, std::span(data).first(100'000));
  guest_.settle();
  EXPECT_EQ(stream.host_shutdown, kShutdownReceive);
  EXPECT_FALSE(stream.reset);
  EXPECT_TRUE(vsock_.drained());
  // What was under way is thrown away and costs no credit; the other half lives.
  guest_.write(stream, data);
  guest_.settle();
  EXPECT_FALSE(stream.reset);
  write_now(input.other.get(), bytes_from("alive"));
  guest_.settle();
  EXPECT_EQ(stream.received, bytes_from("alive"));
}

TEST_F(VsockTest, APipeThatBreaksWithBytesWaiting) {
  Ends output = make_pipe();
  auto& stream = connect({.input = {}, .output = std::move(output.other)});
  guest_.set_answer_shutdown(false);
  Bytes data(250'000);
  ASSERT_EQ(guest_.write(stream, data), data.size());
  EXPECT_FALSE(vsock_.drained());
  drained_calls_ = 0;  // The first packets found room.
  output.one.reset();
  guest_.settle();
  EXPECT_TRUE(vsock_.drained());
  EXPECT_EQ(drained_calls_, 1);
  EXPECT_EQ(stream.host_shutdown, kShutdownBoth);
}

TEST_F(VsockTest, AFailedWriteResets) {
  auto& stream = connect({.input = {}, .output = open_file("/dev/full", O_WRONLY).value()});
  guest_.write(stream, bytes_from("no space"));
  guest_.settle();
  EXPECT_TRUE(stream.reset);
  EXPECT_EQ(vsock_.connections(), 0u);
}

TEST_F(VsockTest, AFailedReadResets) {
  Ends output = make_pipe();
  prepared_[5] = {.input = open_file("/tmp", O_RDONLY).value(), .output = std::move(output.other)};
  auto& stream = guest_.connect(5);
  EXPECT_TRUE(stream.reset) << "EISDIR is no end of file";
  EXPECT_EQ(stream.host_shutdown, 0u);
}

// A shell shares its descriptors with every program it starts: their flags are not ours to change.
TEST_F(VsockTest, LeavesFlagsOfSharedDescriptorsAlone) {
  Ends input = make_pipe(), output = make_pipe(), sockets = make_socket_pair();
  Fd file = temporary_file();
  std::array<const Fd*, 4> all{&input.one, &output.other, &sockets.one, &file};
  std::vector<int> before;
  for (const Fd* fd : all) before.push_back(status_flags(*fd));
  auto& stream = connect({.input = input.one.duplicate().value(), .output = output.other.duplicate().value()}, 5);
  connect({.input = sockets.one.duplicate().value(), .output = file.duplicate().value()}, 6);
  guest_.write(stream, random_bytes(250'000, 22));
  guest_.settle();
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(status_flags(*all[i]), before[i]) << i;
}

// Nor is a socket that others write to ours to close for all.
TEST_F(VsockTest, ASocketForOneDirectionStaysOpenForOthers) {
  Ends out = make_socket_pair(), in = make_socket_pair();
  auto& stream = connect({.input = in.one.duplicate().value(), .output = out.one.duplicate().value()});
  guest_.shut_down(stream, kShutdownBoth);
  guest_.settle();
  EXPECT_EQ(::send(out.one.get(), "more", 4, MSG_NOSIGNAL), 4);
  EXPECT_EQ(read_now(out.other.get()), bytes_from("more"));
  EXPECT_EQ(::send(in.other.get(), "more", 4, MSG_NOSIGNAL), 4);
}

TEST_F(VsockTest, ATerminal) {
  int master = -1, slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  Fd ours(master), shell(slave);
  termios settings{};
  ::tcgetattr(slave, &settings);
  ::cfmakeraw(&settings);
  ::tcsetattr(slave, TCSANOW, &settings);
  int flags = status_flags(shell);
  auto& stream = connect({.input = shell.duplicate().value(), .output = shell.duplicate().value()});
  write_now(master, bytes_from("typed"));
  ASSERT_TRUE(readable_now(slave, 10'000)) << "the kernel carries it over when it gets to it";
  guest_.settle();
  EXPECT_EQ(stream.received, bytes_from("typed"));
  Bytes data = random_bytes(100'000, 23), got;
  ASSERT_EQ(guest_.write(stream, data), data.size());
  EXPECT_FALSE(vsock_.drained()) << "no terminal takes that much unread, and we must not wait for it";
  for (int rounds = 0; got.size() < data.size() && rounds < 10'000 && readable_now(master, 10'000); ++rounds) {
    Bytes more = read_now(master);
    got.insert(got.end(), more.begin(), more.end());
    guest_.settle();
  }
  EXPECT_EQ(got, data);
  EXPECT_EQ(status_flags(shell), flags);
  ours.reset();
  guest_.settle();
  EXPECT_NE(stream.host_shutdown & kShutdownSend, 0u);
}

TEST_F(VsockTest, TheMasterOfATerminal) {
  int master = -1, slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  Fd ours(master), other(slave);
  auto& stream = connect({.input = ours.duplicate().value(), .output = std::move(ours)});
  guest_.write(stream, bytes_from("hello\n"));
  guest_.settle();
  ASSERT_TRUE(readable_now(slave, 10'000));
  EXPECT_EQ(read_now(slave), bytes_from("hello\n"));
  write_now(slave, bytes_from("answer"));
  for (int rounds = 0; stream.received.size() < 13 && rounds < 10'000; ++rounds) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // The kernel carries it over when it gets to it.
    guest_.settle();
  }
  EXPECT_EQ(stream.received, bytes_from("hello\r\nanswer")) << "its echo, then the answer";
  other.reset();
  guest_.settle();
  EXPECT_NE(stream.host_shutdown & kShutdownSend, 0u) << "EIO is how a master ends";
  EXPECT_FALSE(stream.reset && stream.host_shutdown != kShutdownBoth);
}

class HostFileTest : public ::testing::Test {
 protected:
  HostFileTest() { ::signal(SIGPIPE, SIG_IGN); }
  std::unique_ptr<EventLoop> loop_ = EventLoop::create().value();
};

// What cannot be opened anew (here: nothing that /proc knows how to open) is asked before each transfer.
TEST_F(HostFileTest, PollsFirstWhereItMust) {
  Fd counter(::eventfd(0, EFD_CLOEXEC));
  HostFile file(std::move(counter), *loop_);
  uint64_t value = 5;
  iovec piece{&value, sizeof value};
  EXPECT_EQ(file.read({&piece, 1}).error, EAGAIN) << "without waiting";
  std::span<iovec> rest(&piece, 1);
  EXPECT_EQ(file.write(rest).size, sizeof value);
  EXPECT_TRUE(rest.empty());
  value = 0;
  piece = {&value, sizeof value};
  EXPECT_EQ(file.read({&piece, 1}).size, sizeof value);
  EXPECT_EQ(value, 5u);
}

// A pipe without a reader cannot be opened for writing: the old description serves, and tells.
TEST_F(HostFileTest, APipeThatNobodyReads) {
  Ends ends = make_pipe();
  ends.one.reset();
  HostFile file(std::move(ends.other), *loop_);
  iovec piece{const_cast<char*>("x"), 1};
  std::span<iovec> rest(&piece, 1);
  EXPECT_EQ(file.write(rest).error, EPIPE);
}

TEST_F(HostFileTest, WritesManyPiecesSomeOfThemEmpty) {
  Ends ends = make_pipe();
  HostFile file(std::move(ends.other), *loop_);
  Bytes data = random_bytes(300'000, 24), got;
  std::vector<iovec> pieces{{nullptr, 0}};
  for (size_t at = 0; at < data.size(); at += 1000) {
    pieces.push_back({&data[at], 1000});
    pieces.push_back({nullptr, 0});
  }
  std::span<iovec> rest(pieces);
  while (!rest.empty()) {
    Transfer put = file.write(rest);
    EXPECT_TRUE(put.error == 0 || put.error == EAGAIN);
    Bytes more = read_now(ends.one.get());
    got.insert(got.end(), more.begin(), more.end());
  }
  Bytes more = read_now(ends.one.get());
  got.insert(got.end(), more.begin(), more.end());
  EXPECT_EQ(got, data);
}

TEST_F(HostFileTest, NoneIsNone) {
  HostFile file({}, *loop_);
  EXPECT_FALSE(file);
}

}  // namespace
}  // namespace cloche::vsock
