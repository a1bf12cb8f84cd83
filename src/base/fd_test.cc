// Whole files: as large as allowed, larger, and those that do not say their size.
#include "base/fd.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

namespace cloche {
namespace {

TEST(ReadTextFile, AllOfItOrAnError) {
  std::string path = ::testing::TempDir() + "cloche-text-" + std::to_string(::getpid());
  for (size_t size : {0, 1, 4095, 4096, 4097, 8192, 100'000}) {
    std::string text(size, 'x');
    if (size > 0) text.back() = '\0';
    std::ofstream(path, std::ios::binary) << text;
    EXPECT_EQ(read_text_file(path, size).value(), text) << size;
    EXPECT_EQ(read_text_file(path, 1 << 20).value(), text) << size;
    if (size > 0) {
      EXPECT_EQ(read_text_file(path, size - 1).error().code, ErrorCode::kInvalidArgument) << size;
    }
  }
  ::unlink(path.c_str());
  EXPECT_EQ(read_text_file(path).error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(read_text_file("/proc/self/status").value().empty());
}

// Who asks for little with a large limit does not pay for the limit.
TEST(ReadTextFile, TakesNoMoreMemoryThanTheFile) {
  auto faults = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
  };
  auto before = faults();
  for (int round = 0; round < 4; ++round) EXPECT_TRUE(read_text_file("/proc/self/stat", 64 << 20));
  EXPECT_LT(faults() - before, 1000);  // 64 MiB are 16384 pages.
}

}  // namespace
}  // namespace cloche
