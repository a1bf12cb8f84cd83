// A guest that sends packets of the fuzzer's liking to a network whose peer sends bytes of the fuzzer's liking.
#include <sys/socket.h>

#include "devices/net/net.h"
#include "devices/net/stream.h"
#include "input.h"
#include "virtio/testing/fake_driver.h"

namespace cloche::net {
namespace {

using virtio::Bytes;

constexpr int kMostSteps = 300;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

struct Ends {
  Fd ours, theirs;
};

Ends make_ends() {
  int ends[2];
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

class Run {
 public:
  Run(EventLoop& loop, FuzzInput& input, Ends ends)
      : loop_(loop),
        peer_(std::move(ends.theirs)),
        net_({.offloads = input.take<uint64_t>() & kOffloads}, std::make_unique<Stream>(std::move(ends.ours)), loop,
             Log()),
        driver_(net_, input.take<uint64_t>()) {}

  void step(FuzzInput& input) {
    switch (input.pick(8)) {
      case 0:
      case 1:
        offer(input);
        break;
      case 2:
        talk(input);
        break;
      case 3:
        turn();
        break;
      case 4:
        listen();
        break;
      default:
        send(input);
    }
    // What is held is bounded, whatever either side does.
    require(net_.state().incoming.size() <= kMostPacket && net_.state().outgoing.size() <= kMostPacket);
  }

 private:
  void offer(FuzzInput& input) {
    driver_.collect(Net::kReceive);
    for (uint32_t count = input.pick(8); count > 0; --count) {
      if (driver_.ring(Net::kReceive).free_descriptors() < 2) break;
      driver_.ring(Net::kReceive).add({.readable = {}, .writable = {12 + input.pick(8), input.pick(8000) + 1}});
    }
    require(driver_.kick(Net::kReceive));
    require(!driver_.faulted());
  }
  // Mostly frames, so that the fuzzer gets beyond the first length that is too large.
  void talk(FuzzInput& input) {
    uint32_t length = input.pick(16) == 0 ? input.take<uint32_t>() : input.pick(70'000);
    Bytes bytes(4 + std::min<size_t>(length, 70'000));
    for (int i = 0; i < 4; ++i) bytes[i] = static_cast<std::byte>(length >> 8 * (3 - i));
    size_t size = input.pick(4) == 0 ? input.pick(static_cast<uint32_t>(bytes.size())) : bytes.size();
    static_cast<void>(!::send(peer_.get(), bytes.data(), size, MSG_DONTWAIT | MSG_NOSIGNAL));
    if (input.pick(32) == 0) ::shutdown(peer_.get(), SHUT_RDWR);
  }
  void listen() {
    std::array<std::byte, 65536> buffer;
    while (::recv(peer_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) {
    }
  }
  void turn() {
    loop_.at(EventLoop::Clock::now(), [this] { loop_.post([this] { loop_.stop(); }); });
    require(loop_.run().has_value());
  }
  void send(FuzzInput& input) {
    if (driver_.ring(Net::kTransmit).free_descriptors() < 2) return;
    Header header{.flags = static_cast<uint8_t>(input.pick(4)),
                  .gso_type = static_cast<uint8_t>(input.pick(8)),
                  .header_length = static_cast<uint16_t>(input.pick(100)),
                  .gso_size = static_cast<uint16_t>(input.pick(1500)),
                  .csum_start = static_cast<uint16_t>(input.pick(2) == 0 ? input.pick(64) : input.take<uint16_t>()),
                  .csum_offset = static_cast<uint16_t>(input.pick(2) == 0 ? 16 : input.take<uint16_t>())};
    Bytes all = virtio::bytes_of(header);
    all.resize(all.size() + input.pick(input.pick(8) == 0 ? 70'000 : 200));
    auto cut = all.begin() + input.pick(static_cast<uint32_t>(all.size()));
    driver_.send(Net::kTransmit, {.readable = {Bytes(all.begin(), cut), Bytes(cut, all.end())}, .writable = {}});
    driver_.collect(Net::kTransmit);
    require(!driver_.faulted());
  }

  EventLoop& loop_;
  Fd peer_;
  Net net_;
  virtio::FakeDriver driver_;
};

void run(FuzzInput input) {
  static std::unique_ptr<EventLoop> loop = EventLoop::create().value();
  Run all(*loop, input, make_ends());
  for (int step = 0; step < kMostSteps && !input.empty(); ++step) all.step(input);
}

}  // namespace
}  // namespace cloche::net

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cloche::net::run({data, size});
  return 0;
}
