// The back ends on sockets, against a peer that plays by the rules and one that does not.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <tuple>

#include "devices/net/datagram.h"
#include "devices/net/stream.h"
#include "devices/net/testing/fake_back_end.h"

namespace cloche::net {
namespace {

struct Pair {
  explicit Pair(int type) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), 0);
    ours = Fd(ends[0]);
    theirs = Fd(ends[1]);
  }
  Fd ours, theirs;
};

Bytes with_length(const Bytes& frame) {
  Bytes all(4);
  for (int i = 0; i < 4; ++i) all[i] = static_cast<std::byte>(frame.size() >> 8 * (3 - i));
  all.insert(all.end(), frame.begin(), frame.end());
  return all;
}

void put(const Fd& to, const Bytes& bytes) {
  ASSERT_EQ(::send(to.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
}

Bytes get(const Fd& from, size_t most = 1 << 20) {
  Bytes bytes(most);
  ssize_t got = ::recv(from.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return bytes;
}

// The next frame, where there is one.
std::pair<Moved, Bytes> next(BackEnd& back_end) {
  Bytes packet(kMostPacket, std::byte{0xaa});
  auto [moved, size] = back_end.receive(packet);
  packet.resize(std::min(size, packet.size()));
  return {moved, packet};
}

TEST(NetStream, FramesHaveTheirLengthInFront) {
  Pair pair(SOCK_STREAM);
  Stream stream(std::move(pair.ours));
  EXPECT_EQ(stream.send(packet_of(frame_of(60))), Moved::kDone);
  EXPECT_EQ(stream.send(packet_of(frame_of(300, 7))), Moved::kDone);
  EXPECT_EQ(stream.flush(), Moved::kDone);
  Bytes expected = with_length(frame_of(60)), second = with_length(frame_of(300, 7));
  expected.insert(expected.end(), second.begin(), second.end());
  EXPECT_EQ(get(pair.theirs), expected);
}

TEST(NetStream, FramesComeByteByByteAndManyAtOnce) {
  Pair pair(SOCK_STREAM);
  Stream stream(std::move(pair.ours));
  for (std::byte each : with_length(frame_of(60))) {
    EXPECT_EQ(next(stream).first, Moved::kLater);
    put(pair.theirs, {each});
  }
  EXPECT_EQ(next(stream).second, packet_of(frame_of(60)));
  Bytes many;
  for (unsigned i = 0; i < 100; ++i) std::ranges::copy(with_length(frame_of(100, i)), std::back_inserter(many));
  put(pair.theirs, many);
  for (unsigned i = 0; i < 100; ++i) {
    EXPECT_EQ(stream.has_received(), i != 0);
    EXPECT_EQ(next(stream).second, packet_of(frame_of(100, i)));
  }
  EXPECT_EQ(next(stream).first, Moved::kLater);
}

TEST(NetStream, TheLargestFrameFits) {
  Pair pair(SOCK_STREAM);
  Stream stream(std::move(pair.ours));
  put(pair.theirs, with_length(frame_of(kMostFrame)));
  EXPECT_EQ(next(stream).second, packet_of(frame_of(kMostFrame)));
}

TEST(NetStream, CollectsUntilItIsFull) {
  Pair pair(SOCK_STREAM);
  Stream stream(std::move(pair.ours));
  EXPECT_TRUE(stream.collect());
  unsigned sent = 0, got = 0;
  auto more = [&] {
    Bytes bytes = with_length(frame_of(9996, sent));
    return ::send(pair.theirs.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) == static_cast<ssize_t>(bytes.size());
  };
  while (stream.collect()) {
    ASSERT_LT(sent, 100u);  // It is bounded.
    ASSERT_TRUE(more());
    ++sent;
  }
  EXPECT_GT(sent, 20u);
  pair.theirs.reset();
  for (auto [moved, packet] = next(stream); moved == Moved::kDone; std::tie(moved, packet) = next(stream))
    EXPECT_EQ(packet, packet_of(frame_of(9996, got++)));
  EXPECT_EQ(got, sent);
  EXPECT_FALSE(stream.collect());
  EXPECT_EQ(next(stream).first, Moved::kGone);
}

TEST(NetStream, LargeFramesAndSmallOnesKeepTheirOrder) {
  Pair pair(SOCK_STREAM);
  Stream stream(std::move(pair.ours));
  Bytes expected, got;
  for (unsigned sent = 0; sent < 60; ++sent) {
    Bytes frame = frame_of(sent % 3 == 0 ? 9000 : 70, sent);
    while (stream.send(packet_of(frame)) == Moved::kLater) std::ranges::copy(get(pair.theirs), std::back_inserter(got));
    std::ranges::copy(with_length(frame), std::back_inserter(expected));
  }
  while (stream.flush() == Moved::kLater) std::ranges::copy(get(pair.theirs), std::back_inserter(got));
  std::ranges::copy(get(pair.theirs), std::back_inserter(got));
  EXPECT_EQ(got, expected);
}

TEST(NetStream, TooLongAFrameIsTheEnd) {
  for (size_t length : {kMostFrame + 1, size_t{0xffffffff}}) {
    Pair pair(SOCK_STREAM);
    Stream stream(std::move(pair.ours));
    Bytes raw(4);
    for (int i = 0; i < 4; ++i) raw[i] = static_cast<std::byte>(length >> 8 * (3 - i));
    put(pair.theirs, raw);
    EXPECT_EQ(next(stream).first, Moved::kGone);
    EXPECT_EQ(next(stream).first, Moved::kGone);
  }
}

TEST(NetStream, EmptyFramesAreFrames) {
  Pair pair(SOCK_STREAM);
  Stream stream(std::move(pair.ours));
  put(pair.theirs, Bytes(4));
  EXPECT_EQ(next(stream), std::pair(Moved::kDone, packet_of({})));
}

TEST(NetStream, ClosedIsGone) {
  Pair pair(SOCK_STREAM);
  Stream stream(std::move(pair.ours));
  pair.theirs.reset();
  EXPECT_EQ(next(stream).first, Moved::kGone);
  EXPECT_EQ(stream.send(packet_of(frame_of(60))), Moved::kDone);  // Not sent yet.
  EXPECT_EQ(stream.flush(), Moved::kGone);
}

TEST(NetStream, SlowPeerGetsEverythingInTheEnd) {
  Pair pair(SOCK_STREAM);
  Stream stream(std::move(pair.ours));
  Bytes expected, got;
  unsigned sent = 0;
  for (; stream.send(packet_of(frame_of(9000, sent))) == Moved::kDone; ++sent) {
    ASSERT_LT(sent, 10'000u);  // It is bounded.
    std::ranges::copy(with_length(frame_of(9000, sent)), std::back_inserter(expected));
  }
  EXPECT_EQ(stream.flush(), Moved::kLater);
  while (got.size() < expected.size()) {
    std::ranges::copy(get(pair.theirs, 1000), std::back_inserter(got));
    static_cast<void>(stream.flush());
  }
  EXPECT_EQ(got, expected);
  EXPECT_EQ(stream.flush(), Moved::kDone);
}

TEST(NetDatagram, AFrameEach) {
  Pair pair(SOCK_DGRAM);
  Datagram datagram(std::move(pair.ours));
  EXPECT_EQ(datagram.send(packet_of(frame_of(60))), Moved::kDone);
  EXPECT_EQ(get(pair.theirs), frame_of(60));
  EXPECT_EQ(next(datagram).first, Moved::kLater);
  put(pair.theirs, frame_of(100));
  EXPECT_EQ(next(datagram).second, packet_of(frame_of(100)));
}

TEST(NetDatagram, TooLongAFrameIsLostAlone) {
  Pair pair(SOCK_DGRAM);
  Datagram datagram(std::move(pair.ours));
  put(pair.theirs, frame_of(kMostFrame + 1));
  put(pair.theirs, frame_of(kMostFrame));
  EXPECT_EQ(next(datagram).first, Moved::kDropped);
  EXPECT_EQ(next(datagram).second, packet_of(frame_of(kMostFrame)));
}

TEST(NetDatagram, WaitsForASlowPeer) {
  Pair pair(SOCK_DGRAM);
  Datagram datagram(std::move(pair.ours));
  unsigned sent = 0;
  while (datagram.send(packet_of(frame_of(1000))) == Moved::kDone) ASSERT_LT(++sent, 100'000u);
  EXPECT_EQ(datagram.send(packet_of(frame_of(1000))), Moved::kLater);
  get(pair.theirs);
  EXPECT_EQ(datagram.send(packet_of(frame_of(1000))), Moved::kDone);
  pair.theirs.reset();
  EXPECT_EQ(datagram.send(packet_of(frame_of(1000))), Moved::kGone);
}

class NetPaths : public testing::Test {
 protected:
  ~NetPaths() override { std::filesystem::remove_all(directory_); }
  Fd listener(const std::string& path, int type) {
    Fd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::ranges::copy(path, address.sun_path);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return socket;
  }
  std::string made_ = testing::TempDir() + "cloche-net-XXXXXX";
  std::string directory_ = ::mkdtemp(made_.data());
};

TEST_F(NetPaths, DatagramGreetsAndCanBeAnswered) {
  std::string peer_path = directory_ + "/peer", own = directory_ + "/own";
  Fd peer = listener(peer_path, SOCK_DGRAM);
  {
    auto datagram = Datagram::connect(peer_path, own, Greeting::kVfkit);
    ASSERT_TRUE(datagram) << datagram.error().message();
    Bytes magic(16);
    sockaddr_un from{};
    socklen_t size = sizeof from;
    ssize_t got =
        ::recvfrom(peer.get(), magic.data(), magic.size(), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &size);
    ASSERT_EQ(got, 4);
    EXPECT_EQ(std::memcmp(magic.data(), "VFKT", 4), 0);
    EXPECT_EQ(from.sun_path, own);
    Bytes frame = frame_of(99);
    ::sendto(peer.get(), frame.data(), frame.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    EXPECT_EQ(next(*datagram).second, packet_of(frame));
  }
}

TEST_F(NetPaths, NobodyListens) {
  EXPECT_EQ(Stream::connect(directory_ + "/none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(Datagram::connect(directory_ + "/none", directory_ + "/own", Greeting::kNone).error().code,
            ErrorCode::kNotFound);
  EXPECT_EQ(Stream::connect(std::string(200, 'x')).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace cloche::net
