// A guest's vsock driver in plain memory, for tests and fuzzers: streams with credit, as Linux does them, on a
// FakeDriver; and raw packets for a hostile guest. Also host ends to connect them to.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <random>
#include <string>

#include "base/testing/turns.h"
#include "devices/vsock/vsock.h"
#include "virtio/testing/fake_driver.h"

namespace cloche::vsock {

using virtio::Bytes;

// Serves what is ready now, and what was posted, without waiting.
inline void poll_loop(EventLoop& loop) { run_turns(loop, 1); }

inline Bytes random_bytes(size_t size, unsigned seed) {
  std::mt19937_64 random(seed);
  Bytes bytes(size);
  for (size_t i = 0; i < size; i += 8) {
    uint64_t word = random();
    std::memcpy(&bytes[i], &word, std::min<size_t>(8, size - i));
  }
  return bytes;
}

inline Bytes bytes_from(std::string_view text) {
  auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

struct Ends {
  Fd one, other;
};

inline Ends make_socket_pair() {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

// `one` is read from, `other` written to.
inline Ends make_pipe() {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

inline HostStream both_ways(Fd socket) {
  Fd copy = socket.duplicate().value();
  return {std::move(copy), std::move(socket)};
}

// Whether there is something to read, the end included, within `wait_ms`.
inline bool readable_now(int fd, int wait_ms = 0) {
  pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&entry, 1, wait_ms) == 1;
}

// What can be read now, at most `most` bytes; `ended` tells of the end of the file.
inline Bytes read_now(int fd, size_t most = SIZE_MAX, bool* ended = nullptr) {
  Bytes all;
  while (all.size() < most && readable_now(fd)) {
    Bytes piece(std::min<size_t>(most - all.size(), 65536));
    ssize_t got = ::read(fd, piece.data(), piece.size());
    if (got <= 0) {
      if (ended) *ended = got == 0;
      break;
    }
    all.insert(all.end(), piece.begin(), piece.begin() + got);
  }
  return all;
}

inline bool at_end(int fd) {
  bool ended = false;
  return read_now(fd, SIZE_MAX, &ended).empty() && ended;
}

// Writes what fits now.
inline size_t write_now(int fd, std::span<const std::byte> bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    pollfd entry{.fd = fd, .events = POLLOUT, .revents = 0};
    if (::poll(&entry, 1, 0) != 1) break;
    ssize_t put = ::write(fd, bytes.data() + done, std::min<size_t>(bytes.size() - done, 4096));
    if (put <= 0) break;
    done += static_cast<size_t>(put);
  }
  return done;
}

class FakeGuest {
 public:
  static constexpr uint64_t kCid = 3;

  struct Stream {
    uint32_t guest_port = 0;
    uint32_t host_port = 0;
    bool established = false;
    bool reset = false;
    uint32_t host_shutdown = 0;
    uint32_t credit_updates = 0;  // Packets that carried nothing but credit.
    uint32_t credit_requests = 0;
    bool answers_credit_requests = true;
    bool reads = true;  // Takes data as it comes; otherwise it piles up in `waiting`.
    Bytes received;
    Bytes waiting;
    uint32_t buf_alloc = 256 << 10;
    uint32_t fwd_cnt = 0;
    uint32_t advertised = 0;
    uint32_t sent = 0;
    uint32_t peer_buf_alloc = 0;
    uint32_t peer_fwd_cnt = 0;

    uint32_t credit() const {
      uint32_t in_flight = sent - peer_fwd_cnt;
      return in_flight >= peer_buf_alloc ? 0 : peer_buf_alloc - in_flight;
    }
  };

  // Offers `buffers` rx buffers of `buffer_size` bytes, and replaces those that were used whenever it settles.
  explicit FakeGuest(Vsock& vsock, EventLoop& loop, unsigned buffers = 64, uint32_t buffer_size = 3776)
      : loop_(loop), driver_(vsock), buffer_size_(buffer_size) {
    offer(buffers);
    settle();
  }

  // Adds rx buffers, of the usual size.
  void offer(unsigned count) {
    for (unsigned i = 0; i < count; ++i) offer_shaped({buffer_size_});
    driver_.kick(Vsock::kReceive);
  }
  void offer_shaped(std::vector<uint32_t> pieces) {
    if (driver_.ring(Vsock::kReceive).free_descriptors() < pieces.size()) return;
    driver_.ring(Vsock::kReceive).add({.readable = {}, .writable = std::move(pieces)});
  }
  // Whether buffers that came back are offered again.
  void set_replenish(bool on) { replenish_ = on; }

  Stream& connect(uint32_t host_port) {
    Stream& stream = add(next_port_++, host_port);
    send(packet(stream, kOpRequest));
    settle();
    return stream;
  }
  void listen(uint32_t port) { listening_.push_back(port); }
  // The stream that the host opened to `port`, if any.
  Stream* accepted(uint32_t port) {
    for (auto& [key, stream] : streams_) {
      if (key.first == port && stream.established) return &stream;
    }
    return nullptr;
  }

  // Sends what credit allows, in packets of at most `packet_size` bytes; the count. Does not settle.
  size_t write(Stream& stream, std::span<const std::byte> bytes, size_t packet_size = 65536) {
    size_t done = 0;
    while (done < bytes.size() && !stream.reset) {
      size_t size = std::min({bytes.size() - done, packet_size, size_t{stream.credit()}});
      if (size == 0) break;
      Header header = packet(stream, kOpRw);
      header.len = static_cast<uint32_t>(size);
      stream.sent += static_cast<uint32_t>(size);
      send(header, bytes.subspan(done, size));
      done += size;
      receive();
    }
    return done;
  }
  // Takes what is waiting, at most `most` bytes of it.
  void read(Stream& stream, size_t most = SIZE_MAX) {
    size_t size = std::min(most, stream.waiting.size());
    auto end = stream.waiting.begin() + static_cast<ptrdiff_t>(size);
    stream.received.insert(stream.received.end(), stream.waiting.begin(), end);
    stream.waiting.erase(stream.waiting.begin(), end);
    stream.fwd_cnt += static_cast<uint32_t>(size);
    if (stream.fwd_cnt == stream.advertised || stream.reset) return;
    if (stream.buf_alloc - (stream.fwd_cnt - stream.advertised) < 65536 || stream.waiting.empty())
      send(packet(stream, kOpCreditUpdate));
  }
  void shut_down(Stream& stream, uint32_t flags) {
    Header header = packet(stream, kOpShutdown);
    header.flags = flags;
    send(header);
  }
  void reset(Stream& stream) {
    send(packet(stream, kOpRst));
    stream.reset = true;
  }

  // The header of a packet of `stream`, with its credit.
  Header packet(Stream& stream, uint16_t op) {
    Header header;
    header.src_cid = kCid;
    header.dst_cid = kHostCid;
    header.src_port = stream.guest_port;
    header.dst_port = stream.host_port;
    header.type = kTypeStream;
    header.op = op;
    header.buf_alloc = stream.buf_alloc;
    header.fwd_cnt = stream.fwd_cnt;
    stream.advertised = stream.fwd_cnt;
    return header;
  }
  // Sends a packet as it is: a header and a payload of whatever length.
  void send(const Header& header, std::span<const std::byte> payload = {}) {
    virtio::FakeRequest request{.readable = {virtio::bytes_of(header)}, .writable = {}};
    if (!payload.empty()) request.readable.emplace_back(payload.begin(), payload.end());
    send_shaped(request);
  }
  void send_shaped(const virtio::FakeRequest& request) {
    driver_.send(Vsock::kTransmit, request);
    driver_.collect(Vsock::kTransmit);
  }

  // Handles what came from the device and lets the loop serve it, until nothing more happens.
  void settle() {
    for (int idle = 0; idle < 3;) {
      poll_loop(loop_);
      idle = receive() ? 0 : idle + 1;
    }
  }
  // Handles what came; false if nothing did.
  bool receive() {
    auto replies = driver_.collect(Vsock::kReceive);
    for (const virtio::FakeReply& reply : replies) handle(reply.bytes);
    if (replenish_ && !replies.empty()) offer(static_cast<unsigned>(replies.size()));
    return !replies.empty();
  }

  Stream& add(uint32_t guest_port, uint32_t host_port) {
    Stream& stream = streams_[{guest_port, host_port}];
    stream = {};
    stream.guest_port = guest_port;
    stream.host_port = host_port;
    return stream;
  }
  virtio::FakeDriver& driver() { return driver_; }
  // Packets for no stream of ours; RSTs and others.
  const std::vector<Header>& strays() const { return strays_; }
  size_t packets() const { return packets_; }
  struct Datagram {
    Header header;
    Bytes payload;
  };
  std::vector<Datagram>& datagrams() { return datagrams_; }
  void forget_strays() { strays_.clear(); }

 private:
  void handle(std::span<const std::byte> bytes) {
    Header header;
    ASSERT_GE(bytes.size(), kHeaderSize);
    std::memcpy(&header, bytes.data(), kHeaderSize);
    ASSERT_EQ(bytes.size(), kHeaderSize + header.len);
    ++packets_;
    if (header.type == kTypeDatagram) {
      datagrams_.push_back({header, Bytes(bytes.begin() + kHeaderSize, bytes.end())});
      return;
    }
    auto found = streams_.find({header.dst_port, header.src_port});
    if (header.op == kOpRequest && std::ranges::count(listening_, uint32_t{header.dst_port}) != 0) {
      Stream& stream = add(header.dst_port, header.src_port);
      stream.established = true;
      take_credit(stream, header);
      return send(packet(stream, kOpResponse));
    }
    if (found == streams_.end() || found->second.reset) {
      strays_.push_back(header);
      if (header.op != kOpRst) send(reset_for(header));
      return;
    }
    handle_for(found->second, header, bytes.subspan(kHeaderSize));
  }
  static void take_credit(Stream& stream, const Header& header) {
    stream.peer_buf_alloc = header.buf_alloc;
    stream.peer_fwd_cnt = header.fwd_cnt;
  }
  void handle_for(Stream& stream, const Header& header, std::span<const std::byte> payload) {
    EXPECT_EQ(header.src_cid, kHostCid);
    EXPECT_EQ(header.dst_cid, kCid);
    EXPECT_EQ(header.type, kTypeStream);
    take_credit(stream, header);
    switch (header.op) {
      case kOpResponse:
        EXPECT_FALSE(stream.established);
        stream.established = true;
        return;
      case kOpRst:
        stream.reset = true;
        return;
      case kOpShutdown:
        EXPECT_NE(header.flags, 0u);
        stream.host_shutdown |= header.flags;
        if (stream.host_shutdown == kShutdownBoth && answer_shutdown_) reset(stream);
        return;
      case kOpRw:
        EXPECT_TRUE(stream.established);
        EXPECT_EQ(stream.host_shutdown & kShutdownSend, 0u) << "data after the end";
        stream.waiting.insert(stream.waiting.end(), payload.begin(), payload.end());
        EXPECT_LE(stream.waiting.size(), stream.buf_alloc) << "more than our credit";
        if (stream.reads) read(stream);
        return;
      case kOpCreditUpdate:
        ++stream.credit_updates;
        return;
      case kOpCreditRequest:
        ++stream.credit_requests;
        if (stream.answers_credit_requests) send(packet(stream, kOpCreditUpdate));
        return;
      default:
        ADD_FAILURE() << "op " << header.op;
    }
  }

 public:
  // Whether a shutdown of both halves is answered with RST, as Linux does.
  void set_answer_shutdown(bool on) { answer_shutdown_ = on; }

 private:
  EventLoop& loop_;
  virtio::FakeDriver driver_;
  uint32_t buffer_size_;
  bool replenish_ = true;
  bool answer_shutdown_ = true;
  uint32_t next_port_ = 1000;
  std::vector<uint32_t> listening_;
  std::map<std::pair<uint32_t, uint32_t>, Stream> streams_;
  std::vector<Header> strays_;
  std::vector<Datagram> datagrams_;
  size_t packets_ = 0;
};

// A device, its loop and its guest; the connector hands out what a test prepared for each port, once.
class VsockTest : public ::testing::Test {
 protected:
  VsockTest() {
    ::signal(SIGPIPE, SIG_IGN);
    vsock_.set_connector([this](uint32_t port) -> Result<HostStream> {
      auto found = prepared_.find(port);
      if (found == prepared_.end()) return fail(ErrorCode::kNotFound, "nothing listens");
      HostStream stream = std::move(found->second);
      prepared_.erase(found);
      return stream;
    });
    vsock_.on_drained([this] { drained_calls_ += vsock_.drained(); });
  }

  // A connection of the guest to `host`, established. One that ended at once ended cleanly.
  FakeGuest::Stream& connect(HostStream host, uint32_t port = 5) {
    prepared_[port] = std::move(host);
    auto& stream = guest_.connect(port);
    EXPECT_TRUE(stream.established);
    EXPECT_TRUE(!stream.reset || stream.host_shutdown == kShutdownBoth);
    return stream;
  }
  // The same to one end of a socket pair; the test has the other.
  FakeGuest::Stream& connect_socket(Fd& host, uint32_t port = 5) {
    Ends ends = make_socket_pair();
    host = std::move(ends.other);
    return connect(both_ways(std::move(ends.one)), port);
  }

  std::unique_ptr<EventLoop> loop_ = EventLoop::create().value();
  std::map<uint32_t, HostStream> prepared_;
  Vsock vsock_{*loop_, {}, Log()};
  int drained_calls_ = 0;
  FakeGuest guest_{vsock_, *loop_};
};

}  // namespace cloche::vsock
