#include "base/fd.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace cloche {
namespace {

class ReadTextFile : public testing::Test {
 protected:
  ~ReadTextFile() override { std::filesystem::remove_all(folder_); }
  std::string file_of(size_t size) const {
    std::string text(size, 'x');
    if (size > 0) text.front() = 'a', text.back() = 'z';
    std::ofstream(path_, std::ios::binary) << text;
    return text;
  }
  char name_[32] = "/tmp/cloche-fd-XXXXXX";
  std::string folder_ = ::mkdtemp(name_);
  std::string path_ = folder_ + "/file";
};

TEST_F(ReadTextFile, GivesAllOfAFileOfAnySizeUpToTheLimit) {
  for (size_t size : {0, 1, 8191, 8192, 8193, 16383, 16384, 16385, 100'000}) {
    std::string text = file_of(size);
    for (size_t limit : {size, size + 1, size_t{64} << 20}) {
      auto got = read_text_file(path_, limit);
      ASSERT_TRUE(got) << got.error().message();
      EXPECT_TRUE(*got == text) << size << " bytes, limit " << limit;
    }
  }
}

TEST_F(ReadTextFile, RefusesWhatIsLarger) {
  for (size_t size : {1, 2, 8192, 8193, 100'000}) {
    file_of(size);
    for (size_t limit : {size_t{0}, size / 2, size - 1}) {
      auto got = read_text_file(path_, limit);
      ASSERT_FALSE(got) << size << " bytes, limit " << limit;
      EXPECT_THAT(got.error().message(), testing::HasSubstr("larger than"));
    }
  }
}

TEST_F(ReadTextFile, ReadsFilesThatDoNotTellTheirSize) {
  auto got = read_text_file("/proc/self/maps", 1 << 20);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_THAT(*got, testing::HasSubstr("[stack]"));
  EXPECT_EQ(read_text_file(folder_ + "/none").error().sys_errno, ENOENT);
}

}  // namespace
}  // namespace cloche
