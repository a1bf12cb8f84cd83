// A guest whose programs' UNIX sockets are impersonated (TSI), with messages and streams of the fuzzer's liking. They
// stay beneath one folder; what they could reach by IPv4 and IPv6 is not the fuzzer's to touch, so those are off.
#include <sys/un.h>

#include <cstdlib>
#include <filesystem>

#include "vsock_run.h"

namespace cloche::vsock {
namespace {

constexpr int kMostSteps = 200;

const std::string& folder() {
  static const std::string made = [] {
    char name[] = "/tmp/tsi_fuzz_XXXXXX";
    return std::string(::mkdtemp(name));
  }();
  return made;
}

TsiOptions options() {
  TsiOptions options;
  options.has_inet = false;
  options.directories.push_back({folder(), open_file(folder(), O_PATH | O_DIRECTORY).value()});
  return options;
}

class Run : FuzzGuest {
 public:
  explicit Run(EventLoop& loop) : FuzzGuest(loop) { vsock_.impersonate(options()); }

  void step(FuzzInput& input) {
    switch (input.pick(6)) {
      case 0:
        return offer(input, 300);
      case 1:
        return poll_loop(loop_);
      case 2:
        return send_stream(input);
      default:
        return send_message(input);
    }
  }

 private:
  static Header header(FuzzInput& input) {
    Header header;
    header.src_cid = FakeGuest::kCid;
    header.dst_cid = kHostCid;
    header.src_port = input.pick(4);
    header.buf_alloc = 1 << 18;
    return header;
  }
  void send_stream(FuzzInput& input) {
    Header packet = header(input);
    packet.dst_port = input.pick(4) == 0 ? (1u << 30) + input.pick(4) : kTsiStreamPort;
    packet.type = kTypeStream;
    packet.op = static_cast<uint16_t>(input.pick(9));
    packet.flags = input.pick(4);
    send({packet_of(packet, Bytes(packet.op == kOpRw ? input.pick(5000) : 0))});
  }
  // Mostly of the right shape: a port, some numbers, and at the end the name of a socket that may be there.
  void send_message(FuzzInput& input) {
    Header packet = header(input);
    packet.dst_port = 1024 + input.pick(9);
    packet.type = kTypeDatagram;
    packet.op = kOpRw;
    Bytes payload(input.pick(4) == 0 ? input.pick(200) : sizeof(TsiListen));
    for (std::byte& each : std::span(payload).first(std::min<size_t>(payload.size(), 16)))
      each = static_cast<std::byte>(input.pick(8) == 0 ? input.take<uint8_t>() : 0);
    if (payload.size() >= 16) {
      uint32_t port = input.pick(4), more = input.pick(4);
      std::memcpy(payload.data(), &port, sizeof port);
      std::memcpy(payload.data() + 4, &more, sizeof more);
    }
    if (payload.size() == sizeof(TsiListen)) put_address(input, packet.dst_port == 1029 ? 12 : 4, payload);
    if (packet.dst_port == 1024) put_create(input, payload);
    packet.len = static_cast<uint32_t>(payload.size());
    send({packet_of(packet, payload)});
  }
  static void put_create(FuzzInput& input, Bytes& payload) {
    if (payload.size() < 8) return;
    le16 family = static_cast<uint16_t>(input.pick(8) == 0 ? input.take<uint16_t>() : AF_UNIX);
    le16 type = static_cast<uint16_t>(1 + input.pick(2));
    std::memcpy(payload.data() + 4, &family, sizeof family);
    std::memcpy(payload.data() + 6, &type, sizeof type);
  }
  static void put_address(FuzzInput& input, size_t at, Bytes& payload) {
    constexpr const char* kNames[] = {"/a", "/b", "/../a", "/missing/a", "", "/a/"};
    std::string path = folder() + kNames[input.pick(std::size(kNames))];
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    le32 size = static_cast<uint32_t>(offsetof(sockaddr_un, sun_path) + path.size() + input.pick(3));
    std::memcpy(payload.data() + at, &size, sizeof size);
    std::memcpy(payload.data() + at + 4, &address, sizeof address);
  }
};

void run(FuzzInput input) {
  run_steps<Run>(input, kMostSteps);
  // Names that were bound go with the sockets.
  require(std::filesystem::is_empty(folder()));
}

}  // namespace
}  // namespace cloche::vsock

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cloche::vsock::run({data, size});
  return 0;
}
