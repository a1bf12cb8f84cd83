#include "base/log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace cloche {
namespace {

using std::chrono::milliseconds;

TEST(LimitedLog, ABurstPassesThenOneLinePerIntervalAndWhatIsLeftOutIsCounted) {
  std::vector<std::string> lines;
  std::chrono::steady_clock::time_point now{milliseconds(5000)};
  Log log(LogLevel::kWarning, limited([&](LogLevel, std::string_view line) { lines.emplace_back(line); }, 3,
                                      milliseconds(100), [&] { return now; }));
  for (int i = 0; i < 10; ++i) log.warning("{}", i);
  EXPECT_EQ(lines, (std::vector<std::string>{"0", "1", "2"}));
  now += milliseconds(100);
  log.warning("a");
  log.warning("b");
  EXPECT_EQ(lines, (std::vector<std::string>{"0", "1", "2", "7 lines like these were left out", "a"}));
  now += milliseconds(100'000);
  lines.clear();
  for (int i = 0; i < 10; ++i) log.warning("{}", i);
  EXPECT_EQ(lines, (std::vector<std::string>{"1 lines like these were left out", "0", "1", "2"}));
}

}  // namespace
}  // namespace cloche
