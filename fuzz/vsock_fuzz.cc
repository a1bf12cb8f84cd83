// A guest that sends vsock packets of the fuzzer's liking, with host ends that come, talk and go.
#include "vsock_run.h"

namespace cloche::vsock {
namespace {

constexpr int kMostSteps = 300;

class Run : FuzzGuest {
 public:
  explicit Run(EventLoop& loop) : FuzzGuest(loop) {
    vsock_.set_connector([this](uint32_t port) { return open(port); });
    vsock_.on_drained([this] { require(vsock_.drained()); });
  }

  void step(FuzzInput& input) {
    switch (input.pick(8)) {
      case 0:
        return offer(input, 8000);
      case 1:
        return talk(input);
      case 2:
        return vsock_.connect(input.pick(4), open(input.pick(8)).value_or(HostStream{}), [](Result<void>) {});
      case 3:
        return hang_up(input);
      case 4:
        return poll_loop(loop_);
      default:
        send_packet(input);
    }
    require(vsock_.connections() <= Vsock::kMostConnections);
  }

 private:
  Result<HostStream> open(uint32_t port) {
    if (port % 4 == 0) return fail(ErrorCode::kNotFound, "nothing listens");
    if (port % 4 == 1) return HostStream{.input = {}, .output = open_file("/dev/null", O_WRONLY).value()};
    if (port % 4 == 2) return HostStream{.input = open_file("/dev/zero", O_RDONLY).value(), .output = {}};
    Ends ends = make_socket_pair();
    hosts_.push_back(std::move(ends.other));
    return both_ways(std::move(ends.one));
  }
  void talk(FuzzInput& input) {
    if (hosts_.empty()) return;
    Fd& host = hosts_[input.pick(static_cast<uint32_t>(hosts_.size()))];
    write_now(host.get(), Bytes(input.pick(10'000)));
    if (input.pick(2) == 0) read_now(host.get());
    if (input.pick(8) == 0) ::shutdown(host.get(), SHUT_WR);
  }
  void hang_up(FuzzInput& input) {
    if (!hosts_.empty()) hosts_.erase(hosts_.begin() + input.pick(static_cast<uint32_t>(hosts_.size())));
  }
  // Mostly for streams that may exist, so that the fuzzer gets beyond the first RST.
  void send_packet(FuzzInput& input) {
    Header header;
    header.src_cid = input.pick(16) == 0 ? input.take<uint64_t>() : FakeGuest::kCid;
    header.dst_cid = input.pick(16) == 0 ? input.take<uint64_t>() : kHostCid;
    header.src_port = input.pick(4);
    header.dst_port = input.pick(8) == 0 ? (1u << 30) + input.pick(4) : input.pick(8);
    header.type = input.pick(16) == 0 ? input.take<uint16_t>() : kTypeStream;
    header.op = static_cast<uint16_t>(input.pick(9));
    header.flags = input.pick(4);
    header.buf_alloc = input.pick(4) == 0 ? input.take<uint32_t>() : 1 << 18;
    header.fwd_cnt = input.pick(4) == 0 ? input.take<uint32_t>() : 0;
    Bytes payload(input.pick(4) == 0 ? input.pick(70'000) : input.pick(32));
    header.len = input.pick(8) == 0 ? input.take<uint32_t>() : static_cast<uint32_t>(payload.size());
    Bytes all = packet_of(header, payload);
    auto cut = all.begin() + input.pick(static_cast<uint32_t>(all.size()));
    send({Bytes(all.begin(), cut), Bytes(cut, all.end())});
  }

  std::vector<Fd> hosts_;
};

void run(FuzzInput input) { run_steps<Run>(input, kMostSteps); }

}  // namespace
}  // namespace cloche::vsock

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cloche::vsock::run({data, size});
  return 0;
}
