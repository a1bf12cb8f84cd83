// The guest's clocks set back to where they stood, as a pause does it. On any KVM, hardware or software.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "hypervisor/kvm/kvm.h"

namespace cloche::hypervisor::kvm {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kRounding = 1'000'000;  // ns: KVM's clock and the host's are not quite the same.

class ClockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::access("/dev/kvm", R_OK | W_OK) < 0) GTEST_SKIP() << "no usable /dev/kvm here";
    auto vm = create_vm();
    ASSERT_TRUE(vm) << vm.error().message();
    vm_ = std::move(*vm);
    ASSERT_TRUE(vm_->create_interrupt_chips());
    for (unsigned index = 0; index < 2; ++index) cpus_.push_back(vm_->create_cpu(index).value());
  }
  uint64_t host_tsc() { return vm_->read_clock().value().host_tsc; }
  // False where this KVM cannot do it and says so, which is what there is to see then: the TSC went on.
  bool set_clocks(const std::vector<x86_64::CpuClock>& held, uint64_t elapsed) {
    for (size_t i = 0; i < cpus_.size(); ++i) {
      auto set = cpus_[i]->set_clock(held[i], elapsed);
      if (set) continue;
      EXPECT_EQ(set.error().code, ErrorCode::kUnsupported) << set.error().message();
      EXPECT_GT(read_clocks()[i].tsc, held[i].tsc);
      return false;
    }
    return true;
  }
  std::vector<x86_64::CpuClock> read_clocks() {
    std::vector<x86_64::CpuClock> clocks(cpus_.size());
    std::ranges::transform(cpus_, clocks.begin(), [](auto& cpu) { return cpu->read_clock().value(); });
    return clocks;
  }
  std::unique_ptr<VirtualMachine> vm_;
  std::vector<std::unique_ptr<VirtualCpu>> cpus_;
};

TEST_F(ClockTest, KvmclockGoesOnFromWhereItStood) {
  x86_64::VmClock held = vm_->read_clock().value();
  std::this_thread::sleep_for(300ms);
  x86_64::VmClock later = vm_->read_clock().value();
  EXPECT_GE(later.guest_ns - held.guest_ns, 290'000'000u);
  EXPECT_GT(later.host_tsc, held.host_tsc);
  auto set_at = std::chrono::steady_clock::now();
  ASSERT_TRUE(vm_->set_clock(held));
  x86_64::VmClock now = vm_->read_clock().value();
  std::chrono::nanoseconds since = std::chrono::steady_clock::now() - set_at;
  EXPECT_GE(now.guest_ns, held.guest_ns);
  EXPECT_LE(now.guest_ns - held.guest_ns, static_cast<uint64_t>(since.count()) + kRounding);
}

TEST_F(ClockTest, TscGoesOnFromWhereItStoodInStep) {
  uint64_t begin = host_tsc();
  std::vector<x86_64::CpuClock> held = read_clocks();
  if (!held[0].tsc_offset) GTEST_SKIP() << "this KVM does not tell TSC offsets";
  EXPECT_EQ(held[0].tsc_offset, held[1].tsc_offset);
  std::this_thread::sleep_for(300ms);
  uint64_t elapsed = host_tsc() - begin;
  if (!set_clocks(held, elapsed)) return;
  std::vector<x86_64::CpuClock> now = read_clocks();
  uint64_t since = host_tsc() - begin - elapsed;
  EXPECT_EQ(now[0].tsc_offset, now[1].tsc_offset);
  uint64_t stood = begin + *held[0].tsc_offset;
  EXPECT_GE(now[0].tsc, stood);
  EXPECT_LE(now[0].tsc - stood, since);
}

// What an old KVM has: no offset, and a pause long enough to be told from an attempt to synchronize.
TEST_F(ClockTest, TscGoesOnWithoutOffsetsAfterALongPause) {
  std::vector<x86_64::CpuClock> held = read_clocks();
  for (x86_64::CpuClock& clock : held) clock.tsc_offset.reset();
  std::this_thread::sleep_for(1300ms);
  uint64_t set_at = host_tsc();
  if (!set_clocks(held, 0)) return;
  uint64_t now = cpus_[0]->read_clock().value().tsc;
  EXPECT_GE(now, held[0].tsc);
  EXPECT_LE(now - held[0].tsc, host_tsc() - set_at);
}

}  // namespace
}  // namespace cloche::hypervisor::kvm
