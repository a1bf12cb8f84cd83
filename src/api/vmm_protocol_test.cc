// What goes between libcloche and the VM's process: whole messages come through, damaged ones are refused.
#include <gtest/gtest.h>

#include <random>

#include "wire/vmm.h"

namespace cloche::wire {
namespace {

VmConfig some_config() {
  VmConfig config;
  config.cpus = 3;
  config.memory_mib = 1024;
  config.kernel_path = "/kernel";
  config.root = RootKind::kDirectory;
  config.root_path = "/root";
  config.shares = {{"share0", "/a", true, false}, {"share1", "/b", false, true}};
  config.shares[1].cache = 2;
  config.shares[1].users = {{0, 1000, 1}, {1, 100000, 65535}};
  config.disks = {{.path = "/disk", .format = 2, .sync = 1, .direct = true}};
  config.timeout_ms = 5;
  config.has_input = true;
  config.start.arguments = {"a", "", "c"};
  config.start.environment = {"A=1"};
  config.start.mounts = {{"share0", "/x", true, false}};
  config.start.limits = {{7, 1, 2}};
  return config;
}

Ended some_end() {
  Ended ended;
  ended.kind = VmEnd::kReported;
  ended.exited = {.kind = ExitKind::kSignaled, .value = 9, .what = "what"};
  ended.detail = "detail";
  ended.console_tail = "tail";
  ended.phases = {{"one", false, 1, 2}, {"two", true, 3, 4}};
  ended.guest_faults = 5;
  return ended;
}

// Every prefix, and the whole with a byte behind it, is refused; random damage is refused or read, and never worse.
template <typename Message>
void expect_robust(const Message& message) {
  std::vector<std::byte> frame = encode(message);
  std::vector<std::byte> payload(frame.begin() + FrameHeader::kSize, frame.end());
  Message decoded;
  ASSERT_TRUE(decode(payload, decoded));
  EXPECT_EQ(encode(decoded), frame);
  for (size_t size = 0; size < payload.size(); ++size)
    EXPECT_FALSE(decode(std::span(payload).first(size), decoded)) << size;
  payload.push_back(std::byte{0});
  EXPECT_FALSE(decode(payload, decoded));
  payload.pop_back();
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::vector<std::byte> damaged = payload;
    for (int j = 0; j < 4; ++j) damaged[random() % damaged.size()] = static_cast<std::byte>(random());
    Message any;
    static_cast<void>(decode(damaged, any));
  }
}

TEST(VmmProtocol, ConfigIsRobust) { expect_robust(some_config()); }
TEST(VmmProtocol, EndIsRobust) { expect_robust(some_end()); }
TEST(VmmProtocol, FailureIsRobust) { expect_robust(Failed{3, 13, "open /dev/kvm"}); }

TEST(VmmProtocol, UnknownKindsAreRefused) {
  std::vector<std::byte> frame = encode(some_end());
  frame[FrameHeader::kSize] = std::byte{200};
  Ended ended;
  EXPECT_FALSE(decode(std::span(frame).subspan(FrameHeader::kSize), ended));
}

}  // namespace
}  // namespace cloche::wire
