#include "devices/console_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string_view>
#include <thread>

namespace cloche {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

struct Pipe {
  Pipe() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reader = Fd(ends[0]);
    writer = Fd(ends[1]);
  }
  std::string read_some() const {
    std::string text(1 << 17, '\0');
    ssize_t got = ::read(reader.get(), text.data(), text.size());
    text.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return text;
  }
  Fd reader, writer;
};

TEST(ConsoleLog, LastLines) {
  ConsoleLog log;
  EXPECT_EQ(log.last_lines(5), "");
  log.append(bytes("one\ntwo\nthr"));
  log.append(bytes("ee\nfour"));
  EXPECT_EQ(log.last_lines(0), "");
  EXPECT_EQ(log.last_lines(1), "four");
  EXPECT_EQ(log.last_lines(2), "three\nfour");
  EXPECT_EQ(log.last_lines(100), "one\ntwo\nthree\nfour");
  log.append(bytes("\n"));
  EXPECT_EQ(log.last_lines(1), "four\n");
  EXPECT_EQ(log.last_lines(2), "three\nfour\n");
}

TEST(ConsoleLog, KeepsTheLast64KiB) {
  ConsoleLog log;
  std::string all;
  for (int i = 0; all.size() < 300'000; ++i) {
    std::string line = "line " + std::to_string(i) + "\n";
    log.append(bytes(line));
    all += line;
  }
  std::string kept = log.last_lines(SIZE_MAX);
  EXPECT_EQ(kept, all.substr(all.size() - ConsoleLog::kCapacity));
  log.append(bytes(all));  // Larger than the log itself.
  EXPECT_EQ(log.last_lines(SIZE_MAX), all.substr(all.size() - ConsoleLog::kCapacity));
}

TEST(ConsoleLog, NothingReachesTheTerminalAsControl) {
  ConsoleLog log;
  log.append(
      bytes("a\tb\r\n\x1b]0;title\x07 \x9b"
            "31m \xc2\x9b \x7f"));
  log.append({});
  EXPECT_EQ(log.last_lines(9), "a\tb\n\\x1b]0;title\\x07 \\x9b31m \\xc2\\x9b \\x7f");
  std::string every;
  for (int c = 0; c < 256; ++c) every.push_back(static_cast<char>(c));
  for (unsigned char c : printable(bytes(every))) EXPECT_TRUE(c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f));
}

TEST(ConsoleLog, TeePassesOn) {
  ConsoleLog log;
  Pipe pipe;
  ASSERT_TRUE(log.tee(std::move(pipe.writer), ConsoleLog::Tee::kRaw));
  log.append(bytes("raw \x1b\r\n"));
  EXPECT_EQ(pipe.read_some(), "raw \x1b\r\n");
  Pipe other;
  ASSERT_TRUE(log.tee(std::move(other.writer), ConsoleLog::Tee::kPrintable));
  log.append(bytes("not raw \x1b\r"));
  log.append(bytes("\n"));
  EXPECT_EQ(other.read_some(), "not raw \\x1b\n");
  EXPECT_EQ(log.dropped_bytes(), 0u);
}

// Trap 29: a reader that stands still costs dropped bytes, not time; and when it goes on, so does the output.
TEST(ConsoleLog, SlowTeeDropsAndCounts) {
  ConsoleLog log;
  Pipe pipe;
  Fd same = pipe.writer.duplicate().value();
  ASSERT_TRUE(log.tee(std::move(pipe.writer), ConsoleLog::Tee::kRaw));
  EXPECT_EQ(::fcntl(same.get(), F_GETFL) & O_NONBLOCK, 0);  // The caller's own descriptor stays as it was.
  std::string flood(1 << 20, 'x');
  log.append(bytes(flood));
  uint64_t dropped = log.dropped_bytes();
  EXPECT_GT(dropped, 0u);
  EXPECT_EQ(pipe.read_some().size() + dropped, flood.size());
  log.append(bytes("again"));
  EXPECT_EQ(pipe.read_some(), "again");
}

TEST(ConsoleLog, BrokenTeeIsLetGo) {
  ::signal(SIGPIPE, SIG_IGN);
  ConsoleLog log;
  Pipe pipe;
  ASSERT_TRUE(log.tee(std::move(pipe.writer), ConsoleLog::Tee::kRaw));
  pipe.reader.reset();
  log.append(bytes("gone"));
  log.append(bytes("gone"));
  EXPECT_EQ(log.dropped_bytes(), 4u);
  EXPECT_EQ(log.last_lines(1), "gonegone");
}

TEST(ConsoleLog, SocketTeeDoesNotBlock) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  Fd reader(ends[0]);
  ConsoleLog log;
  ASSERT_TRUE(log.tee(Fd(ends[1]), ConsoleLog::Tee::kRaw));
  log.append(bytes(std::string(8 << 20, 'x')));
  EXPECT_GT(log.dropped_bytes(), 0u);
}

TEST(ConsoleLog, FileTeeAppends) {
  std::string path = ::testing::TempDir() + "console_log_XXXXXX";
  Fd file(::mkstemp(path.data()));
  Fd reader = open_file(path, O_RDONLY).value();
  ::unlink(path.c_str());
  ConsoleLog log;
  ASSERT_TRUE(log.tee(std::move(file), ConsoleLog::Tee::kRaw));
  log.append(bytes("one "));
  log.append(bytes("two"));
  std::string text(7, '\0');
  EXPECT_EQ(read_full(reader.get(), std::as_writable_bytes(std::span(text))).value(), 7u);
  EXPECT_EQ(text, "one two");
}

TEST(ConsoleLog, BadTeeIsAnError) {
  ConsoleLog log;
  EXPECT_FALSE(log.tee(Fd(), ConsoleLog::Tee::kRaw));
}

TEST(ConsoleLog, AnyThread) {
  ConsoleLog log;
  auto write = [&] {
    for (int i = 0; i < 5000; ++i) log.append(bytes("0123456789abcdef\n"));
  };
  std::thread other(write);
  write();
  std::string seen = log.last_lines(3);
  other.join();
  EXPECT_EQ(log.last_lines(1), "0123456789abcdef\n");
}

}  // namespace
}  // namespace cloche
