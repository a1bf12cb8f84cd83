// FrontEnd behind a whole transport: a driver's registers on one side, a back end on the other, good or hostile.
#include "devices/vhost_user/front_end.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>

#include "devices/vhost_user/testing/fake_back_end.h"
#include "virtio/testing/fake_driver.h"
#include "virtio/testing/mmio_registers.h"

namespace cloche::vhost_user {
namespace {

using virtio::MmioTransport;
namespace mmio = virtio::mmio;
using Bytes = FakeBackEnd::Bytes;

constexpr std::chrono::milliseconds kShort{50};
constexpr uint64_t kBasic = 1ull << 32 | kFeatureProtocolFeatures;
constexpr uint32_t kBlock = 2;

struct CountingIrq : IrqLine {
  std::atomic<int> raised = 0;
  void raise() override { ++raised; }
};

// A VM's half: memory, loop, transport, driver. The loop runs only in turn().
class Rig {
 public:
  Rig(Options options, FakeBackEnd& fake, std::chrono::milliseconds patience = Channel::kPatience) {
    Log log(LogLevel::kDebug, [this](LogLevel, std::string_view line) { lines.emplace_back(line); });
    auto back_end = BackEnd::create(fake.channel(patience));
    auto made = back_end ? FrontEnd::create(std::move(options), std::move(*back_end), {memory.guest(), *loop, log})
                         : std::unexpected(back_end.error());
    if (!made) {
      error = made.error();
      return;
    }
    front_end = std::move(*made);
    transport = MmioTransport::create({memory.guest(), *loop, irq, log, "the device"}, *front_end).value();
    for (uint16_t size : front_end->queue_sizes().first(std::min<size_t>(front_end->queue_sizes().size(), 8)))
      rings.emplace_back(memory, static_cast<unsigned>(rings.size()), size);
  }

  uint32_t read(uint64_t offset) const { return virtio::read_register(*transport, offset); }
  void write(uint64_t offset, uint32_t value) const { virtio::write_register(*transport, offset, value); }
  uint64_t read_features() const { return virtio::read_features(*transport); }
  // Up to DRIVER_OK, with everything that is offered.
  void start() const {
    for (uint32_t status : {0u, 1u, 3u}) write(mmio::kStatus, status);
    virtio::write_features(*transport, read_features());
    write(mmio::kStatus, 11);
    for (uint32_t index = 0; index < rings.size(); ++index) virtio::set_queue(*transport, index, rings[index].layout());
    write(mmio::kStatus, 15);
  }
  // Everything that waits for the loop.
  void turn() const {
    loop->at(EventLoop::Clock::now(), [this] { loop->post([this] { loop->stop(); }); });
    ASSERT_TRUE(loop->run());
  }
  bool broken() const { return (read(mmio::kStatus) & virtio::kStatusDeviceNeedsReset) != 0; }
  Bytes config(size_t size) const {
    Bytes bytes(size);
    transport->read(mmio::kConfig, bytes);
    return bytes;
  }
  bool says(std::string_view what) const {
    return std::ranges::any_of(lines, [&](const std::string& line) { return line.find(what) != std::string::npos; });
  }

  virtio::FakeMemory memory{GuestMemory::Sharing::kShared};
  std::unique_ptr<EventLoop> loop = EventLoop::create().value();
  CountingIrq irq;
  std::vector<std::string> lines;
  std::optional<Error> error;
  std::unique_ptr<FrontEnd> front_end;
  std::unique_ptr<MmioTransport> transport;
  std::vector<virtio::FakeRing> rings;
};

bool readable(int fd) {
  uint64_t count = 0;
  return ::read(fd, &count, sizeof count) == sizeof count;
}

void signal(int fd) {
  uint64_t one = 1;
  ASSERT_EQ(::write(fd, &one, sizeof one), static_cast<ssize_t>(sizeof one));
}

// Config space with another value in each byte; a disk's says of one queue.
Bytes numbered(size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i + 1);
  if (size >= 36) bytes[34] = std::byte{1}, bytes[35] = std::byte{0};
  return bytes;
}

TEST(VhostUserFrontEnd, GivesAQueueAwayAndPassesItsInterruptsOn) {
  FakeBackEnd fake({});
  Rig rig({.type = kBlock, .name = "disk"}, fake);
  ASSERT_FALSE(rig.error) << rig.error->message();
  EXPECT_EQ(rig.read(mmio::kDeviceId), kBlock);
  for (int life = 1; life <= 3; ++life) {
    rig.irq.raised = 0;
    rig.start();
    ASSERT_FALSE(rig.broken());
    auto address = fake.last_as<VringAddress>(Request::kSetVringAddr);
    const virtio::QueueLayout& layout = rig.rings[0].layout();
    EXPECT_EQ(address.descriptors, layout.descriptors.value);
    EXPECT_EQ(address.available, layout.driver_ring.value);
    EXPECT_EQ(address.used, layout.device_ring.value);
    EXPECT_EQ(fake.last_as<VringState>(Request::kSetVringNum).value, 256u);

    // The memory is the guest's own.
    ASSERT_TRUE(rig.memory.guest().store<uint32_t>({0x3000}, 0xabcd0000u + static_cast<uint32_t>(life)));
    Mmap seen = fake.map_memory();
    EXPECT_EQ(std::memcmp(seen.data() + 0x3000, rig.memory.at({0x3000}, 4).data(), 4), 0);

    rig.transport->kicks()[0].signal();  // As the hypervisor does.
    rig.turn();
    EXPECT_TRUE(readable(fake.kick()));  // Nobody here took it.

    signal(fake.call());
    rig.turn();
    EXPECT_EQ(rig.irq.raised, 1);
    EXPECT_EQ(rig.read(mmio::kInterruptStatus), mmio::kInterruptQueue);

    rig.write(mmio::kStatus, 0);
    EXPECT_EQ(fake.count(Request::kGetVringBase), static_cast<size_t>(life));
    signal(fake.call());
    rig.turn();
    EXPECT_EQ(rig.irq.raised, 1);  // What comes after the reset is not the driver's.
    EXPECT_FALSE(rig.broken());
  }
  EXPECT_TRUE(rig.lines.empty());
}

TEST(VhostUserFrontEnd, ARegisterWriteNeverTouchesAKickThatIsShared) {
  FakeBackEnd fake({});
  Rig rig({.type = kBlock}, fake);
  rig.start();
  int kick = fake.kick();
  uint64_t full = UINT64_MAX - 1;
  ASSERT_EQ(::write(kick, &full, sizeof full), static_cast<ssize_t>(sizeof full));
  ASSERT_EQ(::fcntl(kick, F_SETFL, 0), 0);  // Writes to it wait now, for all who have it.
  rig.write(mmio::kQueueNotify, 0);
  rig.transport->serve_pending();
  rig.write(mmio::kStatus, 0);
  rig.start();
  EXPECT_FALSE(rig.broken());
}

TEST(VhostUserFrontEnd, ACallMadeToBlockHoldsNobodyUp) {
  FakeBackEnd fake({});
  Rig rig({.type = kBlock}, fake);
  rig.start();
  int call = fake.call();
  ASSERT_EQ(::fcntl(call, F_SETFL, 0), 0);
  for (int round = 1; round <= 3; ++round) {
    signal(call);
    rig.turn();
    EXPECT_EQ(rig.irq.raised, round);
  }
  rig.write(mmio::kStatus, 0);
  rig.start();  // Looks for a late one, and there is none.
  EXPECT_FALSE(rig.broken());
}

TEST(VhostUserFrontEnd, OffersWhatBothSidesCanDo) {
  FakeBackEnd fake({.features = ~0ull, .queues = 3, .config = numbered(12)});
  Rig rig({.type = 99, .queue_sizes = {64, 32}}, fake);
  ASSERT_FALSE(rig.error) << rig.error->message();
  uint64_t own = 0xff'ffff | ~0ull << 50;
  EXPECT_EQ(rig.read_features(), own | virtio::kRingFeatures);
  EXPECT_EQ(std::vector(rig.front_end->queue_sizes().begin(), rig.front_end->queue_sizes().end()),
            (std::vector<uint16_t>{64, 32, 32}));
  rig.start();
  EXPECT_FALSE(rig.broken());
  EXPECT_EQ(fake.last_as<uint64_t>(Request::kSetFeatures), own | virtio::kRingFeatures | kFeatureProtocolFeatures);

  FakeBackEnd plain({.features = kBasic});
  Rig less({.type = 99}, plain);
  EXPECT_EQ(less.read_features(), virtio::kFeatureVersion1);  // Neither indirect descriptors nor event indices.
}

TEST(VhostUserFrontEnd, ANetworkHasNoControlQueueAndNeedsConfigSpaceForItsAddress) {
  FakeBackEnd bare({.features = ~0ull, .queues = 8});
  Rig rig({.type = 1}, bare);
  ASSERT_EQ(rig.front_end->queue_sizes().size(), 2u);
  for (int bit : {3, 5, 16, 17, 22, 23, 53}) EXPECT_EQ(rig.read_features() >> bit & 1, 0u) << bit;
  for (int bit : {0, 1, 7, 15}) EXPECT_EQ(rig.read_features() >> bit & 1, 1u) << bit;
  FakeBackEnd full({.features = ~0ull, .config = numbered(12)});
  Rig with({.type = 1, .queues = 2}, full);
  EXPECT_EQ(with.read_features() >> 5 & 1, 1u);
  EXPECT_EQ(with.config(6), numbered(6));
}

size_t queues_of(uint64_t told, bool tells, uint32_t wanted, uint32_t type = kBlock) {
  FakeBackEnd fake({.protocol_features = tells ? kProtocolMq : 0, .queues = told});
  Rig rig({.type = type, .queues = wanted}, fake);
  return rig.error ? 0 : rig.front_end->queue_sizes().size();
}

TEST(VhostUserFrontEnd, TakesAsManyQueuesAsBothAgreeOn) {
  EXPECT_EQ(queues_of(4, true, 0), 4u);
  EXPECT_EQ(queues_of(4, true, 2), 2u);
  EXPECT_EQ(queues_of(4, true, 5), 0u);
  EXPECT_EQ(queues_of(0, true, 0), 0u);
  EXPECT_EQ(queues_of(UINT64_MAX, true, 0), 64u);
  EXPECT_EQ(queues_of(UINT64_MAX, true, 0, 1), 2u);
  EXPECT_EQ(queues_of(0, false, 0), 1u);  // By the type.
  EXPECT_EQ(queues_of(0, false, 0, 25), 4u);
  EXPECT_EQ(queues_of(0, false, 7), 7u);
}

TEST(VhostUserFrontEnd, ConfigSpaceIsTheBackEnds) {
  FakeBackEnd fake({.config = numbered(60)});  // Of a version before the 72 and 96 bytes that are asked for first.
  Rig rig({.type = kBlock}, fake);
  EXPECT_EQ(fake.count(Request::kGetConfig), 3u);
  Bytes expected = numbered(60);
  expected.resize(64);
  EXPECT_EQ(rig.config(64), expected);

  std::byte value{77};
  rig.transport->write(mmio::kConfig, std::span(&value, 1));
  EXPECT_EQ(rig.config(1), Bytes{value});
  EXPECT_EQ(fake.config()[0], value);
  size_t before = fake.messages();
  rig.transport->write(mmio::kConfig + 3, std::span(&value, 1));  // Refused, and nothing else.
  EXPECT_EQ(rig.config(4)[3], std::byte{4});
  EXPECT_EQ(fake.messages(), before + 2);
  std::array<std::byte, 8> wide{};
  rig.transport->write(mmio::kConfig + 56, wide);  // Beyond its end: not even asked.
  rig.transport->write(mmio::kConfig + 4000, wide);
  EXPECT_EQ(fake.messages(), before + 2);
  rig.start();
  EXPECT_FALSE(rig.broken());
}

TEST(VhostUserFrontEnd, TellsTheGuestOfNoQueueThatItDoesNotFind) {
  Bytes config(36);
  config[34] = std::byte{8};
  for (auto [wanted, told] : {std::pair(0u, 8), {8u, 8}, {3u, 3}, {1u, 1}}) {
    FakeBackEnd fake({.queues = 8, .config = config});
    Rig rig({.type = kBlock, .queues = wanted}, fake);
    EXPECT_EQ(rig.config(36)[34], static_cast<std::byte>(told)) << wanted;
    std::byte value{1};
    rig.transport->write(mmio::kConfig, std::span(&value, 1));
    EXPECT_EQ(rig.config(36)[34], static_cast<std::byte>(told)) << wanted;
  }
}

TEST(VhostUserFrontEnd, WithoutConfigSpaceItIsZero) {
  for (uint64_t protocol : {kProtocolMq, kProtocolMq | kProtocolConfig}) {
    FakeBackEnd fake({.protocol_features = protocol});
    Rig rig({.type = kBlock}, fake);
    ASSERT_FALSE(rig.error);
    EXPECT_EQ(rig.config(8), Bytes(8));
    std::byte value{1};
    rig.transport->write(mmio::kConfig, std::span(&value, 1));
    EXPECT_EQ(fake.count(Request::kSetConfig), 0u);
  }
}

TEST(VhostUserFrontEnd, AHangUpBreaksTheDeviceForGood) {
  FakeBackEnd fake({.config = numbered(36)});
  Rig rig({.type = kBlock, .name = "disk"}, fake);
  rig.start();
  fake.hang_up();
  rig.turn();
  EXPECT_TRUE(rig.broken());
  EXPECT_TRUE(rig.says("the device: stopped: the vhost-user back end hung up"));
  std::byte value{1};
  rig.transport->write(mmio::kConfig, std::span(&value, 1));
  EXPECT_EQ(rig.config(36), numbered(36));  // What it said last.
  for (int again = 0; again < 3; ++again) {
    rig.write(mmio::kStatus, 0);
    EXPECT_FALSE(rig.broken());
    rig.start();
    EXPECT_TRUE(rig.broken());
  }
}

TEST(VhostUserFrontEnd, AHangUpBeforeTheDriverIsMissedThen) {
  FakeBackEnd fake({});
  Rig rig({.type = kBlock, .name = "disk"}, fake);
  fake.hang_up();
  rig.turn();
  EXPECT_TRUE(rig.says("vhost-user disk: the vhost-user back end hung up"));
  rig.start();
  EXPECT_TRUE(rig.broken());
}

// Every message of a device's life, answered in each wrong way: an error or a broken device, never more.
TEST(VhostUserFrontEnd, WrongAnswersAtAnyMessageAreTheEndOfTheDeviceAlone) {
  size_t messages = 0;
  {
    FakeBackEnd fake({.config = numbered(36)});
    Rig rig({.type = kBlock}, fake);
    rig.start();
    rig.write(mmio::kStatus, 0);
    messages = fake.messages();
  }
  EXPECT_EQ(messages, 18u);
  const Bytes garbage(40, std::byte{0xa5});
  const std::vector<FakeBackEnd::Deed> deeds{
      {.bytes = {}, .hangs_up = true},
      {.bytes = garbage},
      {.bytes = FakeBackEnd::reply(Request::kSetOwner, 0)},
      {.bytes = FakeBackEnd::reply(Request::kGetFeatures, {}, 0xffff'ffff)},
      {.bytes = {}},  // Nothing at all.
  };
  for (const FakeBackEnd::Deed& deed : deeds) {
    for (size_t bad = 0; bad < messages; ++bad) {
      FakeBackEnd fake({.config = numbered(36), .deed = [&](const auto&, size_t number) {
                          return number == bad ? std::optional(deed) : std::nullopt;
                        }});
      Rig rig({.type = kBlock}, fake, kShort);
      if (rig.error) continue;
      rig.start();
      rig.turn();
      rig.write(mmio::kStatus, 0);
      rig.turn();
      rig.start();
      rig.turn();
      // SET_OWNER and SET_PROTOCOL_FEATURES are answered by nobody; a good answer to them is one too many.
      bool unanswered = (bad == 0 || bad == 3) && deed.bytes.empty() && !deed.hangs_up;
      EXPECT_EQ(rig.broken(), !unanswered) << bad;
    }
  }
}

TEST(VhostUserFrontEnd, ARefusalToStartIsAnErrorThatSaysOfWhat) {
  for (Request refused : {Request::kSetFeatures, Request::kSetMemTable, Request::kSetVringKick}) {
    FakeBackEnd fake({.deed = [&](const FakeBackEnd::Message& message, size_t) {
      bool is_it = message.header.request == static_cast<uint32_t>(refused);
      return is_it ? std::optional(FakeBackEnd::Deed{.bytes = FakeBackEnd::reply(refused, 1)}) : std::nullopt;
    }});
    Rig rig({.type = kBlock}, fake);
    rig.start();
    EXPECT_TRUE(rig.broken());
    EXPECT_TRUE(rig.says("refused request"));
  }
}

}  // namespace
}  // namespace cloche::vhost_user
