#include "devices/net/net.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>

#include "base/testing/turns.h"
#include "devices/net/testing/fake_back_end.h"

namespace cloche::net {
namespace {

using virtio::FakeDriver;

constexpr Mac kMacOfTest{0x02, 1, 2, 3, 4, 5};

class NetTest : public testing::Test {
 protected:
  explicit NetTest(uint64_t acked = ~0ull)
      : net_({.mac = kMacOfTest, .offloads = kOffloads, .mtu = 1400}, std::make_unique<FakeBackEnd>(wire_), *loop_,
             Log()),
        driver_(net_, acked) {}

  void poll_loop() { run_turns(*loop_, 32); }
  void offer(unsigned count, uint32_t size) {
    for (unsigned i = 0; i < count; ++i) driver_.offer(Net::kReceive, size);
    ASSERT_TRUE(driver_.kick(Net::kReceive));
  }
  std::optional<virtio::FakeReply> transmit(const Bytes& packet) { return driver_.send(Net::kTransmit, packet); }

  std::unique_ptr<EventLoop> loop_ = EventLoop::create().value();
  FakeBackEnd::Wire wire_;
  Net net_;
  FakeDriver driver_;
};

class NetWithoutMerging : public NetTest {
 protected:
  NetWithoutMerging() : NetTest(~kMergeBuffers) {}
};

TEST_F(NetTest, ConfigSpace) {
  std::array<std::byte, 16> config;
  net_.read_config(0, config);
  EXPECT_EQ(std::memcmp(config.data(), kMacOfTest.data(), 6), 0);
  EXPECT_EQ(config[6], std::byte{1});  // Link up,
  EXPECT_EQ(config[8], std::byte{1});  // one pair,
  EXPECT_EQ(config[10], std::byte{1400 & 0xff});
  EXPECT_EQ(config[11], std::byte{1400 >> 8});
  EXPECT_EQ(config[12], std::byte{0});
  EXPECT_EQ(net_.id(), 1u);
  EXPECT_EQ(wire_.offloads, kOffloads);
}

TEST_F(NetTest, SendsFramesInOrder) {
  for (unsigned i = 1; i <= 100; ++i) {
    auto reply = transmit(packet_of(frame_of(60 + i, i)));
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->used, 0u);
  }
  ASSERT_EQ(wire_.from_guest.size(), 100u);
  EXPECT_EQ(wire_.from_guest[99], packet_of(frame_of(160, 100)));
}

TEST_F(NetTest, HeaderAndFrameMayBeCutAnywhere) {
  Bytes packet = packet_of(frame_of(100));
  for (size_t cut : {1, 5, 12, 13, 50}) {
    Bytes front(packet.begin(), packet.begin() + static_cast<ptrdiff_t>(cut));
    Bytes back(packet.begin() + static_cast<ptrdiff_t>(cut), packet.end());
    ASSERT_TRUE(driver_.send(Net::kTransmit, {.readable = {front, back}, .writable = {}}));
    EXPECT_EQ(wire_.from_guest.back(), packet);
  }
}

TEST_F(NetTest, CompletesChecksumsForBareFrames) {
  Header header{.flags = Header::kNeedsCsum, .csum_start = uint16_t{34}, .csum_offset = uint16_t{16}};
  Bytes frame = frame_of(60), finished = frame;
  complete_checksum(header, finished);
  ASSERT_TRUE(transmit(packet_of(frame, header)));
  EXPECT_EQ(wire_.from_guest.back(), packet_of(finished, header));
  wire_.keeps_headers = true;
  ASSERT_TRUE(transmit(packet_of(frame, header)));
  EXPECT_EQ(wire_.from_guest.back(), packet_of(frame, header));
  Header more = header;
  more.flags = uint8_t{Header::kNeedsCsum | 0x82};  // What nobody knows is for nobody else, either.
  ASSERT_TRUE(transmit(packet_of(frame, more)));
  EXPECT_EQ(wire_.from_guest.back(), packet_of(frame, header));
}

TEST_F(NetTest, InvalidPacketsAreLostAndTheirChainsComeBack) {
  Header header{.flags = Header::kNeedsCsum, .csum_start = uint16_t{0xfff0}, .csum_offset = uint16_t{16}};
  for (const Bytes& packet :
       {packet_of(frame_of(60), header), packet_of(frame_of(13)), packet_of({}), packet_of(frame_of(kMostFrame + 1)),
        packet_of(frame_of(1 << 20)), packet_of(frame_of(100), {.gso_type = 9})})
    EXPECT_TRUE(transmit(packet));
  EXPECT_TRUE(wire_.from_guest.empty());
  EXPECT_EQ(net_.state().dropped, 6u);
  EXPECT_FALSE(driver_.faulted());
  EXPECT_TRUE(transmit(packet_of(frame_of(kMostFrame))));
  EXPECT_EQ(wire_.from_guest.size(), 1u);
}

TEST_F(NetTest, PacketShorterThanItsHeaderIsTheGuestsFault) {
  transmit(Bytes(11));
  EXPECT_TRUE(driver_.faulted());
}

TEST_F(NetTest, ReceiveBufferShorterThanAHeaderIsTheGuestsFault) {
  wire_.to_guest.push_back(packet_of(frame_of(60)));
  offer(1, 11);
  EXPECT_TRUE(driver_.faulted());
}

TEST_F(NetTest, ReceiveBufferWithoutAWritablePartIsTheGuestsFault) {
  wire_.to_guest.push_back(packet_of(frame_of(60)));
  driver_.send(Net::kReceive, Bytes(100));
  EXPECT_TRUE(driver_.faulted());
}

TEST_F(NetTest, HostileDescriptorsOfEitherQueue) {
  for (unsigned index : {Net::kReceive, Net::kTransmit}) {
    for (virtio::FakeDescriptor wrong :
         {virtio::FakeDescriptor{.address = ~0ull, .length = 100, .flags = virtio::kDescWrite},
          virtio::FakeDescriptor{.address = 1 << 20, .length = ~0u},
          virtio::FakeDescriptor{.flags = virtio::kDescNext, .next = 3}}) {
      driver_.reset();
      driver_.start();
      wire_.to_guest.push_back(packet_of(frame_of(60)));
      driver_.ring(index).describe(3, wrong);
      driver_.ring(index).publish(3);
      ASSERT_TRUE(driver_.kick(index));
      EXPECT_TRUE(driver_.faulted());
    }
    driver_.reset();
    driver_.start();
    wire_.to_guest.push_back(packet_of(frame_of(60)));
    driver_.ring(index).set_available_index(1000);
    ASSERT_TRUE(driver_.kick(index));
    EXPECT_TRUE(driver_.faulted());
  }
}

TEST_F(NetTest, ReceivesWhatIsThere) {
  wire_.to_guest.push_back(packet_of(frame_of(60)));
  offer(4, 1526);
  auto replies = driver_.collect(Net::kReceive);
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replies[0].bytes, packet_of(frame_of(60), {.buffers = uint16_t{1}}));
  EXPECT_EQ(driver_.interrupts(Net::kReceive), 1u);
}

TEST_F(NetTest, ReceivesWhatComes) {
  offer(4, 1526);
  EXPECT_EQ(net_.watched_events(), uint32_t{EPOLLIN});
  wire_.to_guest.push_back(packet_of(frame_of(60)));
  wire_.wake();
  poll_loop();
  EXPECT_EQ(driver_.collect(Net::kReceive).size(), 1u);
  EXPECT_EQ(driver_.interrupts(Net::kReceive), 1u);
}

TEST_F(NetTest, SpreadsALargeFrame) {
  Bytes frame = frame_of(kMostFrame);
  wire_.to_guest.push_back(packet_of(frame));
  offer(20, 4096);
  auto replies = driver_.collect(Net::kReceive);
  size_t count = (kMostPacket + 4095) / 4096;
  ASSERT_EQ(replies.size(), count);
  Bytes all;
  for (auto& reply : replies) all.insert(all.end(), reply.bytes.begin(), reply.bytes.end());
  EXPECT_EQ(all, packet_of(frame, {.buffers = static_cast<uint16_t>(count)}));
}

TEST_F(NetTest, WaitsForRoomWithoutWatching) {
  Bytes frame = frame_of(5000);
  wire_.to_guest.push_back(packet_of(frame));
  wire_.to_guest.push_back(packet_of(frame));
  wire_.wake();
  offer(1, 4096);
  EXPECT_EQ(net_.watched_events(), 0u);
  EXPECT_EQ(net_.state().incoming.size(), sizeof(Header) + 5000);
  EXPECT_EQ(net_.state().incoming_heads.size(), 1u);
  EXPECT_EQ(wire_.to_guest.size(), 1u);
  poll_loop();
  EXPECT_TRUE(driver_.collect(Net::kReceive).empty());
  offer(1, 4096);
  EXPECT_EQ(driver_.collect(Net::kReceive).size(), 2u);
  EXPECT_EQ(net_.watched_events(), 0u);
  // Trap: CVE-2020-16843, a queue that stays frozen.
  offer(4, 4096);
  EXPECT_EQ(driver_.collect(Net::kReceive).size(), 2u);
  EXPECT_EQ(net_.watched_events(), uint32_t{EPOLLIN});
}

TEST_F(NetTest, FrameThatAllBuffersTogetherCannotHoldIsLost) {
  wire_.to_guest.push_back(packet_of(frame_of(kMostFrame)));
  wire_.to_guest.push_back(packet_of(frame_of(100)));
  offer(256, 16);
  EXPECT_EQ(net_.state().dropped, 1u);
  EXPECT_EQ(driver_.collect(Net::kReceive).size(), 7u);
}

TEST_F(NetWithoutMerging, FrameLargerThanTheBufferIsLost) {
  wire_.to_guest.push_back(packet_of(frame_of(2000)));
  wire_.to_guest.push_back(packet_of(frame_of(1514)));
  offer(2, 1526);
  EXPECT_EQ(net_.state().dropped, 1u);
  auto replies = driver_.collect(Net::kReceive);
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replies[0].used, 1526u);
}

TEST_F(NetTest, TooShortAndTooLongFramesOfTheNetworkAreLost) {
  wire_.to_guest = {packet_of({}), packet_of(frame_of(13)), packet_of(frame_of(kMostFrame + 1)),
                    packet_of(frame_of(14))};
  offer(100, 4096);
  EXPECT_EQ(driver_.collect(Net::kReceive).size(), 1u);
  EXPECT_EQ(net_.state().dropped, 3u);
}

TEST_F(NetTest, FloodIsServedByTurns) {
  for (int i = 0; i < 200; ++i) wire_.to_guest.push_back(packet_of(frame_of(60)));
  for (int i = 0; i < 250; ++i) driver_.offer(Net::kReceive, 1526);
  EXPECT_EQ(net_.on_kick(Net::kReceive, driver_.queue(Net::kReceive)).value(), virtio::Kick::kMore);
  EXPECT_LT(driver_.collect(Net::kReceive).size(), 200u);
  EXPECT_TRUE(driver_.kick(Net::kReceive));
  EXPECT_TRUE(wire_.to_guest.empty());
}

TEST_F(NetTest, FloodFromTheLoopIsServedToItsEnd) {
  offer(250, 1526);
  for (int i = 0; i < 200; ++i) wire_.to_guest.push_back(packet_of(frame_of(60)));
  wire_.wake();
  poll_loop();
  EXPECT_EQ(driver_.collect(Net::kReceive).size(), 200u);
}

TEST_F(NetTest, WaitsUntilTheNetworkTakesMore) {
  wire_.takes = false;
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(transmit(packet_of(frame_of(60))));
  EXPECT_NE(net_.watched_events() & EPOLLOUT, 0u);
  EXPECT_EQ(driver_.queue(Net::kTransmit).in_flight(), 1u);  // The others stay in the ring.
  wire_.takes = true;
  poll_loop();
  EXPECT_EQ(wire_.from_guest.size(), 10u);
  EXPECT_EQ(net_.watched_events() & EPOLLOUT, 0u);
  EXPECT_EQ(driver_.collect(Net::kTransmit).size(), 10u);
}

TEST_F(NetTest, GonePeerTakesTheLinkDown) {
  offer(4, 1526);
  wire_.gone = true;
  wire_.theirs.reset();
  poll_loop();
  EXPECT_FALSE(net_.state().link_up);
  EXPECT_EQ(driver_.config_changes(), 1u);
  EXPECT_EQ(net_.watched_events(), 0u);
  std::array<std::byte, 2> status;
  net_.read_config(6, status);
  EXPECT_EQ(status[0], std::byte{0});
  EXPECT_TRUE(transmit(packet_of(frame_of(60))));  // Lost, but the guest gets its buffer back.
  EXPECT_FALSE(driver_.faulted());
  driver_.reset();
  driver_.start();
  EXPECT_FALSE(net_.state().link_up);
  offer(4, 1526);
}

TEST_F(NetTest, ResetForgetsWhatItHeld) {
  wire_.to_guest.push_back(packet_of(frame_of(5000)));
  offer(1, 4096);
  wire_.takes = false;
  EXPECT_FALSE(transmit(packet_of(frame_of(60))));
  driver_.reset();
  EXPECT_EQ(net_.watched_events(), 0u);
  EXPECT_TRUE(net_.state().incoming.empty());
  EXPECT_TRUE(net_.state().outgoing.empty());
  wire_.takes = true;
  driver_.start();
  wire_.to_guest.push_back(packet_of(frame_of(60)));
  offer(1, 4096);
  EXPECT_EQ(driver_.collect(Net::kReceive).size(), 1u);
  EXPECT_TRUE(transmit(packet_of(frame_of(60))));
}

}  // namespace
}  // namespace cloche::net
