#include "api/kvm_cache.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "api/testing/ordinary_user.h"
#include "cloche/preflight.h"

namespace cloche {
namespace {

class KvmCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    runtime_ = ::testing::TempDir() + "runtime-XXXXXX";
    ASSERT_NE(::mkdtemp(runtime_.data()), nullptr);
    ::setenv("XDG_RUNTIME_DIR", runtime_.c_str(), 1);
  }
  void TearDown() override {
    std::filesystem::remove_all(runtime_);
    ::unsetenv("XDG_RUNTIME_DIR");
  }
  std::string runtime_;
};

TEST_F(KvmCacheTest, KeepsWhatWasMeasured) {
  std::string directory = private_directory();
  EXPECT_EQ(directory, runtime_ + "/cloche");
  EXPECT_FALSE(cached_speed(directory));
  cache_speed(directory, 123456);
  EXPECT_EQ(cached_speed(directory), 123456u);
}

TEST_F(KvmCacheTest, AnotherBootOrNonsenseCountsForNothing) {
  std::string directory = private_directory();
  for (const char* text : {"", "x", "00000000-0000-0000-0000-000000000000 5\n", "\n\n\n"}) {
    std::ofstream(directory + "/kvm-speed") << text;
    EXPECT_FALSE(cached_speed(directory)) << text;
  }
  cache_speed(directory, 7);
  std::string text;
  std::getline(std::ifstream(directory + "/kvm-speed"), text);
  std::ofstream(directory + "/kvm-speed") << text.substr(0, text.size() - 1);  // Cut short.
  EXPECT_FALSE(cached_speed(directory));
}

TEST_F(KvmCacheTest, ADirectoryThatOthersMayWriteIsNotUsed) {
  ASSERT_EQ(::mkdir((runtime_ + "/cloche").c_str(), 0700), 0);
  ASSERT_EQ(::chmod((runtime_ + "/cloche").c_str(), 0777), 0);
  EXPECT_NE(private_directory(), runtime_ + "/cloche");
}

TEST_F(KvmCacheTest, NorIsALink) {
  std::filesystem::create_directory(runtime_ + "/elsewhere");
  std::filesystem::create_symlink(runtime_ + "/elsewhere", runtime_ + "/cloche");
  EXPECT_NE(private_directory(), runtime_ + "/cloche");
}

TEST_F(KvmCacheTest, WithoutADirectoryNothingIsKept) {
  cache_speed("", 5);
  EXPECT_FALSE(cached_speed(""));
}

TEST_F(KvmCacheTest, CheckKvmBelievesTheCacheAndMeasuresOnDemand) {
  KvmReport measured = check_kvm(Freshness::kMeasured);
  EXPECT_FALSE(measured.text.empty());
  if (measured.instructions_per_second == 0) {
    EXPECT_FALSE(measured.remedy.empty());
    return;
  }
  cache_speed(private_directory(), 5'000'000'000);
  EXPECT_EQ(check_kvm().state, KvmState::kHardware);
  cache_speed(private_directory(), 1000);
  KvmReport cached = check_kvm();
  EXPECT_EQ(cached.state, KvmState::kSoftware);
  EXPECT_EQ(cached.instructions_per_second, 1000u);
  EXPECT_EQ(check_kvm(Freshness::kMeasured).state, measured.state);
}

TEST_F(KvmCacheTest, KvmThatMayNotBeOpenedSaysHowToChangeThat) {
  struct stat status{};
  if (::stat("/dev/kvm", &status) < 0 || (status.st_mode & 06) == 06) return;  // Nothing here to be refused.
  as_ordinary_user([] {
    KvmReport report = check_kvm();
    EXPECT_EQ(report.state, KvmState::kNotPermitted);
    EXPECT_THAT(report.text, ::testing::HasSubstr("may not open /dev/kvm"));
    EXPECT_THAT(report.remedy, ::testing::HasSubstr("sudo"));
  });
}

}  // namespace
}  // namespace cloche
