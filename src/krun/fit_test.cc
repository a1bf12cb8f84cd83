#include "krun/fit.h"

#include <gtest/gtest.h>

namespace cloche::krun {
namespace {

TEST(FitTest, ASizeThatTheHostDoesNotHave) {
  Config config{.cpus = 255, .memory_mib = UINT64_MAX >> 24};
  fit_size(config);
  EXPECT_EQ(config.cpus, 16u);
  EXPECT_LT(config.memory_mib, UINT64_MAX >> 24);
  EXPECT_GT(config.memory_mib, 0u);
  Config small{.cpus = 2, .memory_mib = 100};
  fit_size(small);
  EXPECT_EQ(small.cpus, 2u);
  EXPECT_EQ(small.memory_mib, 100u);
}

TEST(FitTest, WindowsThatDoNotFitAreLeftOut) {
  Config config{.memory_mib = 128};
  config.root.dax_window_mib = 512;
  for (uint32_t window_mib : {1024u, 512u, 2u}) config.shares.push_back({.dax_window_mib = window_mib});
  fit_size(config);
  EXPECT_EQ(config.root.dax_window_mib, 512u);
  EXPECT_EQ(config.shares[0].dax_window_mib, std::nullopt);
  EXPECT_EQ(config.shares[1].dax_window_mib, 512u);
  EXPECT_EQ(config.shares[2].dax_window_mib, std::nullopt);
}

TEST(FitTest, NamesThatNoHostHas) {
  for (const char* name : {"my_host", "::", "", "-a", "a-", "a..b", "a.-b", "\xc3\xa4"}) {
    Config config{.hostname = name};
    fit_command(config);
    EXPECT_EQ(config.hostname, "localhost") << name;
  }
  Config config{.hostname = "a-1.example"};
  fit_command(config);
  EXPECT_EQ(config.hostname, "a-1.example");
}

TEST(FitTest, WorkingDirectoriesBeginAtTheRoot) {
  for (auto [said, meant] : {std::pair("tmp", "/tmp"), {"/a/../b", "/b"}, {"..", "/"}, {"", "/"}, {"/", "/"}}) {
    Config config{.working_directory = said};
    fit_command(config);
    EXPECT_EQ(config.working_directory, meant) << said;
  }
}

TEST(FitTest, OpenFilesAreAsManyAsLinuxAllows) {
  Config config{.limits = {{"nofile", 2'000'000, UINT64_MAX}, {"cpu", 5, UINT64_MAX}}};
  fit_command(config);
  EXPECT_EQ(config.limits[0].soft, 1u << 20);
  EXPECT_EQ(config.limits[0].hard, 1u << 20);
  EXPECT_EQ(config.limits[1].hard, UINT64_MAX);
}

}  // namespace
}  // namespace cloche::krun
