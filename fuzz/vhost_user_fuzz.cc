// A vhost-user back end whose every answer has been written before it is asked for: mostly those that a good one would
// give, some of the fuzzer's liking. On the other side a driver starts, resets and writes to the device's config space.
#include <sys/socket.h>

#include "devices/vhost_user/front_end.h"
#include "input.h"
#include "virtio/testing/fake_driver.h"
#include "virtio/testing/mmio_registers.h"

namespace cloche::vhost_user {
namespace {

using virtio::Bytes;
using virtio::MmioTransport;
namespace mmio = virtio::mmio;

constexpr int kMostSteps = 64;
constexpr uint32_t kMostAnswers = 128;
constexpr std::chrono::milliseconds kPatience{20};

void require(bool holds) {
  if (!holds) __builtin_trap();
}

struct NoIrq : IrqLine {
  void raise() override {}
};

struct Ends {
  Fd ours, theirs;
};

Ends make_ends() {
  int ends[2];
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

class BackEndScript {
 public:
  BackEndScript(FuzzInput& input, Fd socket) : input_(input), socket_(std::move(socket)) {
    uint64_t features = input.pick(8) == 1 ? input.take<uint64_t>() : 1ull << 32 | 1ull << 30 | input.take<uint32_t>();
    uint64_t protocol = input.pick(8) == 1 ? input.take<uint64_t>() : kProtocolReplyAck;
    if (input.pick(2) == 0) protocol |= kProtocolMq;
    answer(Request::kGetFeatures, features);
    answer(Request::kGetProtocolFeatures, protocol);
    if ((protocol & kProtocolMq) != 0) answer(Request::kGetQueueNum, input.pick(8) == 1 ? input.take<uint64_t>() : 1);
    if ((protocol & kProtocolConfig) != 0) answer_config();
    for (uint32_t left = input.pick(kMostAnswers); left > 0 && !input.empty(); --left) answer_anything();
    if (input.pick(4) == 0) ::shutdown(socket_.get(), SHUT_WR);
  }

  // Takes what it was sent, and keeps the descriptor that came last: in a device's life the kick of its last queue.
  void listen() {
    std::array<std::byte, 4096> room;
    alignas(cmsghdr) std::array<std::byte, 256> control{};
    for (;;) {
      iovec part{room.data(), room.size()};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      if (::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0) return;
      for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each)) {
        for (size_t at = 0; CMSG_LEN((at + 1) * sizeof(int)) <= each->cmsg_len; ++at) {
          int fd;
          std::memcpy(&fd, CMSG_DATA(each) + at * sizeof fd, sizeof fd);
          events_.emplace_back(fd);
        }
      }
    }
  }
  void signal() {
    uint64_t one = 1;
    if (!events_.empty()) static_cast<void>(!::write(events_[input_.pick(8) % events_.size()].get(), &one, sizeof one));
  }
  void hang_up() { ::shutdown(socket_.get(), SHUT_RDWR); }

 private:
  void send(std::span<const std::byte> bytes) {
    static_cast<void>(::send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
  }
  void send(Request request, std::span<const std::byte> payload) {
    Header header{static_cast<uint32_t>(request), kVersion | kFlagReply, static_cast<uint32_t>(payload.size())};
    if (input_.pick(32) == 1) header.request = input_.take<uint32_t>();
    if (input_.pick(32) == 1) header.flags = input_.take<uint32_t>();
    if (input_.pick(32) == 1) header.size = input_.take<uint32_t>();
    send(std::as_bytes(std::span(&header, 1)));
    send(payload.first(input_.pick(32) == 1 ? input_.pick(static_cast<uint32_t>(payload.size() + 1)) : payload.size()));
  }
  void answer(Request request, uint64_t value) { send(request, std::as_bytes(std::span(&value, 1))); }
  void answer_config() {
    constexpr std::array<uint32_t, 8> kSizes{96, 72, 60, 36, 24, 17, 12, 8};
    uint32_t size = kSizes[input_.pick(kSizes.size())];
    Bytes payload(sizeof(ConfigHeader) + size, input_.take<std::byte>());
    ConfigHeader header{input_.pick(16) == 1 ? 1u : 0u, size, 0};
    std::memcpy(payload.data(), &header, sizeof header);
    send(Request::kGetConfig, payload);
  }
  // In the order in which a device with one queue is started and reset, mostly.
  void answer_anything() {
    constexpr std::array<Request, 9> kInOrder{Request::kSetFeatures,  Request::kSetMemTable,    Request::kSetVringNum,
                                              Request::kSetVringBase, Request::kSetVringAddr,   Request::kSetVringCall,
                                              Request::kSetVringKick, Request::kSetVringEnable, Request::kGetVringBase};
    if (input_.pick(64) == 1) return answer_config();
    if (input_.pick(64) == 1) return answer(Request::kSetConfig, 0);
    uint32_t at = input_.pick(64) == 1 ? input_.pick(kInOrder.size()) : next_++ % kInOrder.size();
    answer(kInOrder[at], input_.pick(64) == 1 ? input_.take<uint64_t>() : 0);
  }

  FuzzInput& input_;
  Fd socket_;
  uint32_t next_ = 0;
  std::vector<Fd> events_;
};

class Guest {
 public:
  Guest(virtio::FakeMemory& memory, EventLoop& loop, FrontEnd& device)
      : loop_(loop), transport_(MmioTransport::create({memory.guest(), loop, irq_, Log(), "fuzz"}, device).value()) {
    for (uint16_t size : device.queue_sizes().first(std::min<size_t>(device.queue_sizes().size(), 4)))
      rings_.emplace_back(memory, static_cast<unsigned>(rings_.size()), size);
  }

  void start() const {
    for (uint32_t status : {0u, 1u, 3u}) write(mmio::kStatus, status);
    virtio::write_features(*transport_, virtio::kFeatureVersion1);
    write(mmio::kStatus, 11);
    for (uint32_t index = 0; index < rings_.size(); ++index)
      virtio::set_queue(*transport_, index, rings_[index].layout());
    write(mmio::kStatus, 15);
  }
  void reset() const { write(mmio::kStatus, 0); }
  void touch_config(FuzzInput& input) const {
    Bytes data(1u << input.pick(4), input.take<std::byte>());
    uint64_t offset = mmio::kConfig + input.pick(300);
    if (input.pick(2) == 0) transport_->write(offset, data);
    transport_->read(offset, data);
  }
  void turn() const {
    loop_.at(EventLoop::Clock::now(), [this] { loop_.post([this] { loop_.stop(); }); });
    require(loop_.run().has_value());
  }

 private:
  void write(uint64_t offset, uint32_t value) const { virtio::write_register(*transport_, offset, value); }

  EventLoop& loop_;
  NoIrq irq_;
  std::vector<virtio::FakeRing> rings_;
  std::unique_ptr<MmioTransport> transport_;
};

void step(FuzzInput& input, BackEndScript& script, const Guest& guest) {
  switch (input.pick(8)) {
    case 0:
      return guest.reset();
    case 1:
      return guest.touch_config(input);
    case 2:
      script.listen();
      return script.signal();
    case 3:
      return input.pick(8) == 0 ? script.hang_up() : guest.turn();
    case 4:
      return guest.turn();
    default:
      guest.start();
  }
}

void run(FuzzInput input) {
  static virtio::FakeMemory memory(GuestMemory::Sharing::kShared);
  static std::unique_ptr<EventLoop> loop = EventLoop::create().value();
  constexpr std::array<uint32_t, 5> kTypes{1, 2, 4, 18, 63};
  Options options{.type = kTypes[input.pick(kTypes.size())], .queues = input.pick(4), .queue_sizes = {8}};
  Ends ends = make_ends();
  BackEndScript script(input, std::move(ends.theirs));
  auto back_end = BackEnd::create(Channel::adopt(std::move(ends.ours), kPatience).value());
  if (!back_end) return;
  auto device = FrontEnd::create(std::move(options), std::move(*back_end), {memory.guest(), *loop, Log()});
  if (!device) return;
  require((*device)->queue_sizes().size() <= FrontEnd::kMostQueues && !(*device)->queue_sizes().empty());
  Guest guest(memory, *loop, **device);
  for (int steps = 0; steps < kMostSteps && !input.empty(); ++steps) step(input, script, guest);
}

}  // namespace
}  // namespace cloche::vhost_user

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cloche::vhost_user::run({data, size});
  return 0;
}
