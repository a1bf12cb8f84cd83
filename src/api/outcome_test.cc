#include "api/outcome.h"

#include <gtest/gtest.h>

namespace cloche {
namespace {

TEST(Outcome, AnExitCodeIsAByte) {
  wire::Ended ended;
  ended.kind = wire::VmEnd::kReported;
  ended.exited.value = 0x1ff;
  EXPECT_EQ(make_outcome(ended).status.value, 0xff);
}

TEST(Outcome, ALostVmAlwaysHasAText) {
  for (auto kind : {wire::VmEnd::kPanic, wire::VmEnd::kInitKilled, wire::VmEnd::kTripleFault, wire::VmEnd::kReset,
                    wire::VmEnd::kTimeout, wire::VmEnd::kCpuError, wire::VmEnd::kStopped}) {
    wire::Ended ended;
    ended.kind = kind;
    EXPECT_FALSE(make_outcome(ended).text.empty());
    EXPECT_NE(make_outcome(ended).status.reason, LostReason::kNone);
  }
}

}  // namespace
}  // namespace cloche
