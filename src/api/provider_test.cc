// What of a provider needs no VM: its limits, and how a command's end is told.
#include "cloche/provider.h"

#include <gmock/gmock.h>

#include "api/bounded_exec.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(ProviderTest, OutputIsCutAtItsLimit) {
  CappedOutput output(5);
  output.take(bytes("abc"));
  output.take(bytes("de"));
  EXPECT_FALSE(output.is_cut());
  output.take(bytes(""));
  EXPECT_FALSE(output.is_cut());
  output.take(bytes("f"));
  EXPECT_TRUE(output.is_cut());
  output.take(bytes("g"));
  EXPECT_EQ(output.text(), "abcde");
  CappedOutput none(0);
  none.take(bytes(std::string(1 << 20, 'x')));
  EXPECT_TRUE(none.is_cut());
  EXPECT_EQ(none.text(), "");
  CappedOutput across(2);
  across.take(bytes(std::string_view("\0\xff\n", 3)));
  EXPECT_EQ(across.text(), std::string_view("\0\xff", 2));
  EXPECT_TRUE(across.is_cut());
}

TEST(ProviderTest, LimitsAreChecked) {
  EXPECT_TRUE(check_exec({.command = "true"}));
  EXPECT_TRUE(check_exec({.command = "true", .timeout = 300s, .output_limit = 10 << 20}));
  for (auto timeout : {0ms, -1ms, 300'001ms})
    EXPECT_THAT(check_exec({.command = "true", .timeout = timeout}).error().what, HasSubstr("timeout"));
  EXPECT_THAT(check_exec({.command = "true", .output_limit = (10 << 20) + 1}).error().what, HasSubstr("output limit"));
  EXPECT_EQ(check_exec({.command = ""}).error().code, ErrorCode::kInvalidArgument);
}

TEST(ProviderTest, AnEndIsAResultOrAnError) {
  ProviderResult result = result_of({.status = {EndedBy::kExit, 7, LostReason::kNone}}).value();
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_FALSE(result.signal);
  result = result_of({.status = {EndedBy::kSignal, 9, LostReason::kNone}, .timed_out = true}).value();
  EXPECT_EQ(result.signal, 9);
  EXPECT_TRUE(result.timed_out);
  auto lost = [](LostReason reason) {
    return result_of({.status = {EndedBy::kLost, 0, reason}, .text = "why"}).error();
  };
  EXPECT_EQ(lost(LostReason::kNotFound).code, ErrorCode::kNotFound);
  EXPECT_EQ(lost(LostReason::kNotExecutable).code, ErrorCode::kPermission);
  EXPECT_EQ(lost(LostReason::kSetupFailed).code, ErrorCode::kGuest);
  EXPECT_EQ(lost(LostReason::kSetupFailed).what, "why");
}

TEST(ProviderTest, WrongConfigurationsAreRefused) {
  PoolConfig pool{.min = 3, .max = 2};
  auto refused = Provider::create({.mode = ProviderMode::kShared, .pool = pool});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.error().what, HasSubstr("min 3, max 2"));
  EXPECT_FALSE(Provider::create({.pool = {.name = "a/b"}}));
  EXPECT_FALSE(Pool::create({.name = std::string(49, 'x')}));
  EXPECT_FALSE(Pool::create({.max = 0}));
}

}  // namespace
}  // namespace cloche
