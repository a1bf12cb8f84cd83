// Flow control of vsock: credit both ways, readers that stop, rx buffers that run out, many streams at once.
#include <sys/resource.h>

#include "devices/vsock/testing/fake_guest.h"

namespace cloche::vsock {
namespace {

struct Echo {
  FakeGuest& guest;
  FakeGuest::Stream& stream;
  int host;
};

// Sends `data` both ways at once, the host's end echoing what it gets.
void echo(Echo ends, std::span<const std::byte> data, size_t packet_size) {
  auto& [guest, stream, host] = ends;
  size_t sent = 0;
  Bytes back;
  for (int rounds = 0; stream.received.size() < data.size(); ++rounds) {
    ASSERT_LT(rounds, 100'000) << "stuck at " << stream.received.size() << " of " << data.size();
    sent += guest.write(stream, data.subspan(sent), packet_size);
    Bytes more = read_now(host, 100'000);
    back.insert(back.end(), more.begin(), more.end());
    size_t put = write_now(host, back);
    back.erase(back.begin(), back.begin() + static_cast<ptrdiff_t>(put));
    guest.settle();
  }
}

TEST_F(VsockTest, EchoesMegabytes) {
  Fd host;
  auto& stream = connect_socket(host);
  Bytes data = random_bytes(5'000'000, 4);
  echo({guest_, stream, host.get()}, data, 65536);
  EXPECT_EQ(stream.received, data);
}

TEST_F(VsockTest, EchoesOddPackets) {
  Fd host;
  auto& stream = connect_socket(host);
  Bytes data = random_bytes(200'000, 5);
  echo({guest_, stream, host.get()}, data, 997);
  EXPECT_EQ(stream.received, data);
}

// A reader that stops: the guest runs out of credit, our memory stays bounded, and nothing is lost.
TEST_F(VsockTest, AStalledReaderBlocksTheWriter) {
  Ends output = make_pipe();
  auto& stream = connect({.input = {}, .output = std::move(output.other)});
  Bytes data = random_bytes(3'000'000, 6);
  size_t sent = guest_.write(stream, data);
  guest_.settle();
  sent += guest_.write(stream, std::span(data).subspan(sent));
  EXPECT_EQ(stream.credit(), 0u);
  EXPECT_LE(sent, Backlog::kSize + 65536 + 65536) << "what the pipe and the backlog hold";
  EXPECT_GE(sent, Backlog::kSize);
  EXPECT_FALSE(vsock_.drained());
  Bytes got;
  for (int rounds = 0; got.size() < data.size() && rounds < 10'000; ++rounds) {
    Bytes more = read_now(output.one.get(), 50'000);
    got.insert(got.end(), more.begin(), more.end());
    guest_.settle();
    sent += guest_.write(stream, std::span(data).subspan(sent));
  }
  EXPECT_EQ(got, data);
  EXPECT_TRUE(vsock_.drained());
  EXPECT_GT(drained_calls_, 0);
  EXPECT_LT(stream.credit_updates, 60u) << "few, for 3 MB";
}

TEST_F(VsockTest, AStalledGuestBlocksTheHost) {
  Fd host;
  auto& stream = connect_socket(host);
  stream.reads = false;
  Bytes data = random_bytes(3'000'000, 7);
  size_t sent = 0;
  for (int i = 0; i < 20; ++i) {
    sent += write_now(host.get(), std::span(data).subspan(sent));
    guest_.settle();
  }
  EXPECT_EQ(stream.waiting.size(), stream.buf_alloc);
  EXPECT_LT(sent, 2'000'000u);
  EXPECT_EQ(stream.credit_requests, 1u) << "asked once";
  for (int rounds = 0; stream.received.size() < data.size() && rounds < 10'000; ++rounds) {
    guest_.read(stream, 100'000);
    sent += write_now(host.get(), std::span(data).subspan(sent));
    guest_.settle();
  }
  EXPECT_EQ(stream.received, data);
}

TEST_F(VsockTest, AnswersCreditRequests) {
  Fd host;
  auto& stream = connect_socket(host);
  guest_.write(stream, bytes_from("12345"));
  guest_.send(guest_.packet(stream, kOpCreditRequest));
  guest_.settle();
  EXPECT_EQ(stream.credit_updates, 1u);
  EXPECT_EQ(stream.peer_fwd_cnt, 5u);
  EXPECT_EQ(stream.peer_buf_alloc, Backlog::kSize);
}

TEST_F(VsockTest, WaitsForReceiveBuffers) {
  Fd host;
  auto& stream = connect_socket(host);
  guest_.set_replenish(false);
  Bytes data = random_bytes(400'000, 8);
  size_t sent = 0;
  for (int i = 0; i < 10; ++i) {
    sent += write_now(host.get(), std::span(data).subspan(sent));
    guest_.settle();
  }
  size_t before = stream.received.size();
  EXPECT_LT(before, 64u * 3776);
  ::shutdown(host.get(), SHUT_WR);
  // Now that the buffers are used up, the loop must not spin on the readable socket.
  loop_->at(EventLoop::Clock::now() + std::chrono::milliseconds(200), [&] { loop_->stop(); });
  rusage start{}, end{};
  ::getrusage(RUSAGE_SELF, &start);
  ASSERT_TRUE(loop_->run());
  ::getrusage(RUSAGE_SELF, &end);
  auto cpu_ms = [](const rusage& usage) {
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
  };
  EXPECT_LT(cpu_ms(end) - cpu_ms(start), 50);
  EXPECT_EQ(stream.received.size(), before);
  guest_.set_replenish(true);
  guest_.offer(64);
  guest_.settle();
  data.resize(sent);
  EXPECT_EQ(stream.received, data);
  EXPECT_EQ(stream.host_shutdown, kShutdownSend);
}

TEST_F(VsockTest, ReceiveBuffersOfAnyShape) {
  Fd host;
  auto& stream = connect_socket(host);
  guest_.set_replenish(false);
  Bytes data = random_bytes(100'000, 9);
  while (guest_.driver().ring(Vsock::kReceive).free_descriptors() < 128) {  // First use up the ordinary ones.
    write_now(host.get(), std::span(data).subspan(stream.received.size(), 1));
    guest_.settle();
  }
  size_t sent = stream.received.size();
  sent += write_now(host.get(), std::span(data).subspan(sent));
  for (int i = 0; i < 500 && stream.received.size() < data.size(); ++i) {
    guest_.offer_shaped({44});           // No room for data.
    guest_.offer_shaped({10, 34, 100});  // A header over two descriptors.
    guest_.offer_shaped({45});           // One byte.
    guest_.offer_shaped({50, 1, 1, 5000});
    guest_.offer_shaped({200'000});  // More than one packet may hold.
    guest_.driver().kick(Vsock::kReceive);
    guest_.settle();
    sent += write_now(host.get(), std::span(data).subspan(sent));
  }
  EXPECT_FALSE(guest_.driver().faulted());
  EXPECT_EQ(stream.received, data);
}

TEST_F(VsockTest, AHundredStreamsAtOnce) {
  constexpr size_t kStreams = 100;
  std::vector<Fd> hosts(kStreams);
  std::vector<FakeGuest::Stream*> streams;
  std::vector<Bytes> data;
  for (size_t i = 0; i < kStreams; ++i) {
    streams.push_back(&connect_socket(hosts[i]));
    data.push_back(random_bytes(50'000 + i * 100, static_cast<unsigned>(i)));
  }
  EXPECT_EQ(vsock_.connections(), kStreams);
  std::vector<size_t> up(kStreams), down(kStreams);
  std::vector<Bytes> got(kStreams);
  auto complete = [&] {
    for (size_t i = 0; i < kStreams; ++i)
      if (got[i].size() < data[i].size() || streams[i]->received.size() < data[i].size()) return false;
    return true;
  };
  for (int rounds = 0; !complete() && rounds < 1000; ++rounds) {
    for (size_t i = 0; i < kStreams; ++i) {
      up[i] += guest_.write(*streams[i], std::span(data[i]).subspan(up[i]), 5000);
      down[i] += write_now(hosts[i].get(), std::span(data[i]).subspan(down[i]));
      Bytes more = read_now(hosts[i].get());
      got[i].insert(got[i].end(), more.begin(), more.end());
    }
    guest_.settle();
  }
  for (size_t i = 0; i < kStreams; ++i) {
    EXPECT_EQ(got[i], data[i]);
    EXPECT_EQ(streams[i]->received, data[i]);
  }
}

// A stream that always has more does not keep others waiting.
TEST_F(VsockTest, StreamsTakeTurns) {
  Fd host;
  auto& stream = connect_socket(host, 7);
  prepared_[6] = {.input = open_file("/dev/zero", O_RDONLY).value(), .output = {}};
  auto& flood = guest_.add(999, 6);
  guest_.send(guest_.packet(flood, kOpRequest));  // Without settling, for it never does.
  for (int i = 0; i < 20; ++i) {
    write_now(host.get(), bytes_from("x"));
    size_t flooded = flood.received.size(), before = stream.received.size();
    for (int polls = 0; polls < 10 && stream.received.size() == before; ++polls) {
      poll_loop(*loop_);
      guest_.receive();
    }
    EXPECT_EQ(stream.received.size(), before + 1);
    EXPECT_LT(flood.received.size() - flooded, 20u << 20);
    flood.received.clear();
  }
}

TEST_F(VsockTest, FewInterruptsForMuchData) {
  Fd host;
  auto& stream = connect_socket(host);
  Bytes data = random_bytes(2'000'000, 10);
  unsigned before = guest_.driver().interrupts(Vsock::kReceive);
  size_t sent = 0;
  while (stream.received.size() < data.size()) {
    sent += write_now(host.get(), std::span(data).subspan(sent));
    guest_.settle();
  }
  EXPECT_LT(guest_.driver().interrupts(Vsock::kReceive) - before, 100u);
}

}  // namespace
}  // namespace cloche::vsock
