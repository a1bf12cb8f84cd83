#include "wire/vmm.h"

#include <gtest/gtest.h>

#include <random>

namespace cloche::wire {
namespace {

VmConfig full_config() {
  VmConfig config;
  config.cpus = 3;
  config.memory_mib = 1024;
  config.kernel_path = "/kernel";
  config.init_path = "/init";
  config.agent_path = "/agent";
  config.bundle_reader_path = "/reader";
  config.console_path = "/console";
  config.extra_command_line = "debug";
  config.root_path = "/root file system";
  config.root = RootKind::kDirectory;
  config.shares = {{"tag", "/host", true, false}, {"one", "/host/file", false, true}};
  config.shares[1].dax_window_mib = 64;
  config.shares[0].injected = {{"dir", "", true}, {"dir/file", std::string("a\0b", 3), false, true, 0640}};
  config.networks = {{.kind = VmNetworkKind::kDatagram,
                      .path = "/run/net.sock",
                      .fd = 5,
                      .greets = true,
                      .arguments = {"--quiet", ""},
                      .mac = {2, 3, 4, 5, 6, 255},
                      .offloads = UINT64_MAX,
                      .mtu = 65520},
                     {}};
  config.tsi = {.is_on = true,
                .has_inet = true,
                .publishes_all = true,
                .ports = {{"127.0.0.1", 8080, 80}, {"", 65535, 1}},
                .unix_directories = {"/run", "/"}};
  config.consoles = {{.is_serial = true, .ports = {{"", true, 4, -1}}},
                     {.ports = {{"first", true, 5, 6}, {"second", false, -1, 7}}}};
  config.vhost_user = {
      {.type = 2, .socket_path = "/run/disk.sock", .name = "disk", .queues = 3, .queue_sizes = {64, 32768}},
      {.type = 4, .socket_path = "/rng"}};
  config.disks = {{.path = "/disk", .format = 1, .read_only = true, .serial = "s", .backing_path = "/base"},
                  {.path = "/other", .sync = 0, .direct = true}};
  config.timeout_ms = 1500;
  config.has_input = true;
  config.boot = {.is_guests = true,
                 .kernel_format = 3,
                 .initramfs_path = "/initramfs",
                 .firmware_path = "/firmware",
                 .has_command_line = true,
                 .command_line = "console=hvc0",
                 .shows_nested_vms = true,
                 .oem_strings = {"one", "two"}};
  config.shares[1].is_empty = true;
  config.sandbox.id = "abc";
  config.sandbox.directory = "/data/abc";
  config.sandbox.run_directory = "/run/abc";
  config.sandbox.has_command = true;
  config.sandbox.command.arguments = {"sleep", "1"};
  config.sandbox.idle_timeout_ms = 7;
  config.sandbox.home = "/data";
  config.sandbox.restart = {.when = VmRestartWhen::kOnFailure, .most = 5, .count = 2, .pause_ms = 400, .life_fd = 9};
  config.sandbox.health = {.interval_ms = UINT64_MAX, .start_period_ms = 6, .retries = 3};
  config.sandbox.health.command.arguments = {"true"};
  config.sandbox.health.command.timeout_ms = 9;
  config.sandbox.limits = {.cpu_thousandths = 1500, .memory_bytes = UINT64_MAX, .processes = 50};
  config.sandbox.kelpie = {"/run/kelpie.sock", false, true};
  config.start.arguments = {"echo", "hello"};
  return config;
}

Ended full_ended() {
  Ended ended;
  ended.kind = VmEnd::kTimeout;
  ended.exited.what = "what";
  ended.detail = "detail";
  ended.console_tail = "a\nb\n";
  ended.phases = {{"boot", true, 1, 2}, {"run", false, 3, UINT64_MAX}};
  ended.guest_faults = 9;
  return ended;
}

std::vector<std::byte> payload_of(const std::vector<std::byte>& frame) {
  EXPECT_GE(frame.size(), FrameHeader::kSize);
  return {frame.begin() + FrameHeader::kSize, frame.end()};
}

template <typename Message>
void expect_comes_back(const Message& message) {
  auto frame = encode(message);
  auto payload = payload_of(frame);
  Message read;
  ASSERT_TRUE(decode(payload, read));
  EXPECT_EQ(encode(read), frame);
  for (size_t size = 0; size < payload.size(); ++size) {
    Message cut;
    std::vector<std::byte> exact(payload.begin(), payload.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_FALSE(decode(exact, cut)) << size;
  }
  payload.push_back(std::byte{0});
  EXPECT_FALSE(decode(payload, read));
}

// Bytes changed at random, and every place in turn made a huge count: refused or read, but never past the end.
template <typename Message>
void expect_no_harm(const Message& message) {
  std::mt19937 random(2);
  auto payload = payload_of(encode(message));
  for (int round = 0; round < 5'000; ++round) {
    auto bad = payload;
    for (int i = 0; i < 3; ++i) bad[random() % bad.size()] = static_cast<std::byte>(random());
    Message read;
    static_cast<void>(decode(bad, read));
  }
  for (size_t at = 0; at + 4 <= payload.size(); ++at) {
    auto bad = payload;
    for (size_t i = 0; i < 4; ++i) bad[at + i] = std::byte{0xff};
    Message read;
    static_cast<void>(decode(bad, read));
  }
}

TEST(VmmWire, MessagesComeBack) {
  expect_comes_back(full_config());
  VmConfig unchecked = full_config();
  unchecked.sandbox.health = {};
  expect_comes_back(unchecked);
  expect_comes_back(full_ended());
  expect_comes_back(Failed{3, 13, "open /dev/kvm"});
}

TEST(VmmWire, DamagedMessagesDoNoHarm) {
  expect_no_harm(full_config());
  expect_no_harm(full_ended());
  expect_no_harm(Failed{3, 13, "open /dev/kvm"});
}

TEST(VmmWire, LogLinesComeBack) {
  uint8_t level = 0;
  std::string line;
  ASSERT_TRUE(decode_log(payload_of(encode_log(2, "a line")), level, line));
  EXPECT_EQ(level, 2);
  EXPECT_EQ(line, "a line");
  EXPECT_FALSE(decode_log({}, level, line));
}

TEST(VmmWire, AnswersComeBack) {
  std::string failure;
  ASSERT_TRUE(decode_answer(payload_of(encode_answer(VmmFrame::kPaused, "why not")), failure));
  EXPECT_EQ(failure, "why not");
  ASSERT_TRUE(decode_answer(payload_of(encode_answer(VmmFrame::kResumed, "")), failure));
  EXPECT_EQ(failure, "");
  EXPECT_FALSE(decode_answer({}, failure));
}

TEST(VmmWire, KindsOutOfRangeAreRefused) {
  VmConfig config = full_config();
  config.root = static_cast<RootKind>(99);
  EXPECT_FALSE(decode(payload_of(encode(config)), config));
  config = full_config();
  config.sandbox.restart.when = static_cast<VmRestartWhen>(99);
  EXPECT_FALSE(decode(payload_of(encode(config)), config));
  Ended ended = full_ended();
  ended.kind = static_cast<VmEnd>(99);
  EXPECT_FALSE(decode(payload_of(encode(ended)), ended));
}

}  // namespace
}  // namespace cloche::wire
