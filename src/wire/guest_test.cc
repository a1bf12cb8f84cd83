#include "wire/guest.h"

#include <gtest/gtest.h>

#include <random>

namespace cloche::wire {
namespace {

Start full_start() {
  Start start;
  start.root_tag = "root";
  start.root_writes = RootWrites::kRefused;
  start.root_device = {"/dev/vda", "ext4", "noatime"};
  start.has_disks = true;
  start.mounts = {{"tag", "/a", true, false}, {"two", "/b/c", false, true}};
  start.hostname = "box";
  start.arguments = {"sh", "", "-c", std::string("a\0b", 3)};
  start.is_agent = true;
  start.environment = {"PATH=/bin", "EMPTY="};
  start.working_directory = "/work";
  start.uid = 1000;
  start.gid = 4'294'967'294u;
  start.limits = {{7, 1024, UINT64_MAX}, {0, 0, 1}};
  start.interfaces = {{.has_dhcp = false}, {.has_dhcp = true}};
  start.impersonation = {.is_on = true, .resolv_conf = "nameserver 192.0.2.1\n"};
  start.streams = Streams::kTerminal;
  start.has_stdin = true;
  start.rows = 50;
  start.columns = 65535;
  start.realtime_ns = UINT64_MAX - 1;
  return start;
}

Exited full_exited() {
  Exited exited;
  exited.kind = ExitKind::kFailed;
  exited.value = 13;
  exited.what = "mount share /data";
  exited.unsaved = "/dev/vda";
  exited.began_ns = 1;
  exited.drained_ns = UINT64_MAX;
  return exited;
}

// The payload of a whole frame, its header checked.
std::span<const std::byte> payload_of(const std::vector<std::byte>& frame, FrameType type) {
  FrameHeader header;
  EXPECT_TRUE(decode_header(std::span(frame).first(FrameHeader::kSize), header));
  EXPECT_EQ(header.type, type);
  EXPECT_EQ(header.payload_size, frame.size() - FrameHeader::kSize);
  return std::span(frame).subspan(FrameHeader::kSize);
}

// A copy on the heap of exactly that size, so that a sanitizer sees one byte too many being read.
template <typename Message>
bool decodes(std::span<const std::byte> payload, Message& message) {
  std::vector<std::byte> exact(payload.begin(), payload.end());
  return decode(exact, message);
}

// Whatever is cut off or added, the message is refused.
template <typename Message>
void expect_exact_size(const std::vector<std::byte>& frame, FrameType type) {
  auto payload = payload_of(frame, type);
  for (size_t size = 0; size < payload.size(); ++size) {
    Message message;
    EXPECT_FALSE(decodes(payload.first(size), message)) << size;
  }
  std::vector<std::byte> longer(payload.begin(), payload.end());
  longer.push_back(std::byte{0});
  Message message;
  EXPECT_FALSE(decode(longer, message));
}

TEST(GuestWire, HelloComesBack) {
  auto frame = encode(Hello{.boot_ns = 77});
  Hello hello;
  ASSERT_TRUE(decode(payload_of(frame, FrameType::kHello), hello));
  EXPECT_EQ(hello.version, kProtocolVersion);
  EXPECT_EQ(hello.boot_ns, 77u);
  expect_exact_size<Hello>(frame, FrameType::kHello);
}

TEST(GuestWire, StartComesBack) {
  auto frame = encode(full_start());
  Start start;
  ASSERT_TRUE(decodes(payload_of(frame, FrameType::kStart), start));
  EXPECT_EQ(encode(start), frame);
  EXPECT_EQ(start.arguments, full_start().arguments);
  EXPECT_EQ(start.mounts[1].path, "/b/c");
  EXPECT_TRUE(start.mounts[1].is_file);
  EXPECT_EQ(start.limits[0].hard, UINT64_MAX);
  EXPECT_EQ(start.streams, Streams::kTerminal);
  expect_exact_size<Start>(frame, FrameType::kStart);
}

TEST(GuestWire, EmptyStartComesBack) {
  auto frame = encode(Start{});
  Start start = full_start();
  ASSERT_TRUE(decode(payload_of(frame, FrameType::kStart), start));
  EXPECT_EQ(encode(start), frame);
}

TEST(GuestWire, ExitedComesBack) {
  auto frame = encode(full_exited());
  Exited exited;
  ASSERT_TRUE(decodes(payload_of(frame, FrameType::kExited), exited));
  EXPECT_EQ(encode(exited), frame);
  EXPECT_EQ(exited.what, "mount share /data");
  EXPECT_EQ(exited.unsaved, "/dev/vda");
  expect_exact_size<Exited>(frame, FrameType::kExited);
}

TEST(GuestWire, OrdersComeBack) {
  uint32_t number = 0;
  ASSERT_TRUE(decode_signal(payload_of(encode_signal(15), FrameType::kSignal), number));
  EXPECT_EQ(number, 15u);
  uint16_t rows = 0, columns = 0;
  ASSERT_TRUE(decode_resize(payload_of(encode_resize(24, 80), FrameType::kResize), rows, columns));
  EXPECT_EQ(rows, 24u);
  EXPECT_EQ(columns, 80u);
  EXPECT_FALSE(decode_signal({}, number));
  EXPECT_FALSE(decode_resize(payload_of(encode_signal(15), FrameType::kSignal).first(3), rows, columns));
}

TEST(GuestWire, HeaderIsCheckedForSizeAndReserved) {
  auto header = [](uint32_t size, uint16_t reserved) {
    Writer to;
    to.put(size);
    to.put(FrameType::kStart);
    to.put(reserved);
    FrameHeader read;
    return decode_header(to.bytes(), read);
  };
  EXPECT_TRUE(header(0, 0));
  EXPECT_TRUE(header(kMaxFrameBytes, 0));
  EXPECT_FALSE(header(kMaxFrameBytes + 1, 0));
  EXPECT_FALSE(header(UINT32_MAX, 0));
  EXPECT_FALSE(header(1, 1));
  FrameHeader read;
  EXPECT_FALSE(decode_header({}, read));
}

TEST(GuestWire, KindsOutOfRangeAreRefused) {
  Exited exited;
  exited.kind = static_cast<ExitKind>(5);
  Exited read;
  EXPECT_FALSE(decode(payload_of(encode(exited), FrameType::kExited), read));
  Start start;
  start.streams = static_cast<Streams>(2);
  Start read_start;
  EXPECT_FALSE(decode(payload_of(encode(start), FrameType::kStart), read_start));
}

// Each aligned or unaligned group of four bytes becomes a count that cannot be: no allocation may follow from it.
TEST(GuestWire, HugeCountsAreRefusedWithoutAllocating) {
  auto frame = encode(full_start());
  auto payload = payload_of(frame, FrameType::kStart);
  for (size_t at = 0; at + 4 <= payload.size(); ++at) {
    for (std::byte top : {std::byte{0xff}, std::byte{0x7f}, std::byte{0x01}}) {
      std::vector<std::byte> bad(payload.begin(), payload.end());
      for (size_t i = 0; i < 3; ++i) bad[at + i] = std::byte{0xff};
      bad[at + 3] = top;
      Start start;
      static_cast<void>(decode(bad, start));
      EXPECT_LE(start.mounts.size() + start.arguments.size() + start.environment.size() + start.limits.size(),
                payload.size());
    }
  }
}

TEST(GuestWire, RandomBytesDoNoHarm) {
  std::mt19937 random(1);
  auto frame = encode(full_start());
  auto payload = payload_of(frame, FrameType::kStart);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> bytes(random() % 200);
    for (std::byte& each : bytes) each = static_cast<std::byte>(random() % (round % 2 == 0 ? 256 : 4));
    Start start;
    Exited exited;
    Hello hello;
    static_cast<void>(decode(bytes, start));
    static_cast<void>(decode(bytes, exited));
    static_cast<void>(decode(bytes, hello));
    bytes.assign(payload.begin(), payload.end());
    for (int i = 0; i < 3; ++i) bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    Start changed;
    static_cast<void>(decode(bytes, changed));
  }
}

}  // namespace
}  // namespace cloche::wire
