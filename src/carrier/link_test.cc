#include "carrier/link.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

namespace cloche::carrier {
namespace {

struct Pair {
  Link link;
  Fd peer;
};

Pair make_pair() {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  return {Link::create(Fd(ends[0])).value(), Fd(ends[1])};
}

void write_raw(const Fd& to, std::span<const std::byte> bytes) { ASSERT_TRUE(write_full(to.get(), bytes)); }

TEST(Link, MessagesArriveWholeHoweverTheyAreCut) {
  auto [link, peer] = make_pair();
  std::vector<std::byte> payload(100, std::byte{7});
  auto bytes = encode(Header{100, MessageType::kData, Stream::kStderr});
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  for (size_t i = 0; i < bytes.size(); ++i) {
    ASSERT_FALSE(link.next().value().has_value());
    write_raw(peer, std::span(bytes).subspan(i, 1));
    ASSERT_TRUE(link.fill().value());
  }
  auto message = link.next().value();
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->header.stream, Stream::kStderr);
  EXPECT_TRUE(std::ranges::equal(message->payload, payload));
  EXPECT_FALSE(link.next().value().has_value());
}

TEST(Link, StrangersMaySendLittle) {
  auto [link, peer] = make_pair();
  write_raw(peer, encode(Header{kMaxStrangerPayload + 1, MessageType::kToken}));
  ASSERT_TRUE(link.fill().value());
  EXPECT_FALSE(link.next().has_value());
}

TEST(Link, TrustLiftsTheLimit) {
  auto [link, peer] = make_pair();
  link.trust();
  write_raw(peer, encode(Header{kMaxStrangerPayload + 1, MessageType::kRequest}));
  ASSERT_TRUE(link.fill().value());
  EXPECT_TRUE(link.next().has_value());
}

TEST(Link, NonsenseIsAnError) {
  auto [link, peer] = make_pair();
  std::vector<std::byte> junk(64, std::byte{0xff});
  write_raw(peer, junk);
  ASSERT_TRUE(link.fill().value());
  auto message = link.next();
  ASSERT_FALSE(message.has_value());
  EXPECT_EQ(message.error().code, ErrorCode::kProtocol);
}

TEST(Link, TellsAClosedPeerFromAQuietOne) {
  auto [link, peer] = make_pair();
  EXPECT_TRUE(link.fill().value());
  peer.reset();
  EXPECT_FALSE(link.fill().value());
}

TEST(Link, FinishDeliversEverythingToASlowReader) {
  auto [link, peer] = make_pair();
  constexpr size_t kSize = 4 << 20;
  std::vector<std::byte> payload(kSize, std::byte{1});
  link.send(MessageType::kData, payload);
  size_t got = 0;
  std::thread reader([&] {
    std::vector<std::byte> all(kSize + Header::kSize);
    got = read_full(peer.get(), all).value();
    peer.reset();
  });
  link.finish();
  reader.join();
  EXPECT_EQ(got, kSize + Header::kSize);
}

}  // namespace
}  // namespace cloche::carrier
