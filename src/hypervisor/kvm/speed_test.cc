#include "hypervisor/kvm/speed.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>

namespace cloche::hypervisor::kvm {
namespace {

// Any KVM, hardware or software, runs the measuring guest. Where there is none this is about the error.
TEST(Speed, MeasuresOrSaysWhyNot) {
  auto begin = std::chrono::steady_clock::now();
  auto speed = measure_speed();
  if (::access("/dev/kvm", R_OK | W_OK) < 0) {
    ASSERT_FALSE(speed);
    EXPECT_NE(speed.error().message().find("/dev/kvm"), std::string::npos);
    return;
  }
  ASSERT_TRUE(speed) << speed.error().message();
  EXPECT_GT(*speed, 10'000u);
  EXPECT_LT(*speed, 100'000'000'000u);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
}

TEST(Speed, RepeatsWithinAnOrderOfMagnitude) {
  if (::access("/dev/kvm", R_OK | W_OK) < 0) GTEST_SKIP() << "no usable /dev/kvm here";
  auto first = measure_speed(), second = measure_speed();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*first < kSlowestHardware, *second < kSlowestHardware);
}

}  // namespace
}  // namespace cloche::hypervisor::kvm
